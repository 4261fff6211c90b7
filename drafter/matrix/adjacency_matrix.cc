#include "drafter/matrix/adjacency_matrix.h"

#include <thread>

namespace recycling::drafter {
namespace {

// The state of a row. Bit 0 is set while a writer stores the row. Bits 1 to 7 hold the number of
// ids; 0 means that the row is cold. The other bits count the writes. A reader loads the state
// twice, so it notices every write in between.
constexpr std::uint64_t kWriting = 1;
constexpr int kCountShift = 1;
constexpr std::uint64_t kCountMask = 0x7f;
constexpr int kVersionShift = 8;
static_assert(kMaxK <= kCountMask);

std::uint32_t CountOf(std::uint64_t state) {
  return static_cast<std::uint32_t>((state >> kCountShift) & kCountMask);
}

}  // namespace

AdjacencyMatrix::AdjacencyMatrix(std::uint32_t vocab_size, std::uint32_t k)
    : vocab_size_(vocab_size),
      k_(k),
      states_(std::make_unique<std::atomic<State>[]>(vocab_size)),
      ids_(std::make_unique<std::atomic<TokenId>[]>(std::size_t{vocab_size} * k)) {}

std::uint64_t AdjacencyMatrix::MemoryBytes(std::uint32_t vocab_size, std::uint32_t k) {
  return std::uint64_t{vocab_size} * (sizeof(State) + k * sizeof(TokenId));
}

// A reader loads the state before and after it loads the ids. No later load moves before an acquire
// load. If the reader loads an id of a write in progress, it also sees how that write changed the
// state, because the writer stores ids with release. So the second state differs from the first,
// and the reader tries again.
std::uint32_t AdjacencyMatrix::ReadRow(TokenId token, std::span<TokenId> row) const {
  if (token >= vocab_size_) return 0;
  const std::atomic<State>& state = states_[token];
  const std::atomic<TokenId>* const ids = &ids_[std::size_t{token} * k_];
  while (true) {
    const State before = state.load(std::memory_order_acquire);
    if ((before & kWriting) != 0) {
      std::this_thread::yield();
      continue;
    }
    const std::uint32_t count = CountOf(before);
    for (std::uint32_t i = 0; i < count; ++i) row[i] = ids[i].load(std::memory_order_acquire);
    if (state.load(std::memory_order_relaxed) == before) return count;
  }
}

bool AdjacencyMatrix::IsCold(TokenId token) const {
  return token >= vocab_size_ || CountOf(states_[token].load(std::memory_order_relaxed)) == 0;
}

bool AdjacencyMatrix::IsValidRow(TokenId token, std::span<const TokenId> ids,
                                 std::uint32_t vocab_size, std::uint32_t k) {
  if (token >= vocab_size || ids.empty() || ids.size() > k) return false;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] >= vocab_size) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (ids[i] == ids[j]) return false;
    }
  }
  return true;
}

void AdjacencyMatrix::WriteRow(TokenId token, std::span<const TokenId> ids) {
  std::atomic<State>& state = states_[token];
  std::atomic<TokenId>* const row = &ids_[std::size_t{token} * k_];
  State before = state.load(std::memory_order_relaxed);
  while ((before & kWriting) != 0 ||
         !state.compare_exchange_weak(before, before | kWriting, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
    if ((before & kWriting) != 0) {
      std::this_thread::yield();
      before = state.load(std::memory_order_relaxed);
    }
  }
  for (std::size_t i = 0; i < ids.size(); ++i) row[i].store(ids[i], std::memory_order_release);
  const State version = (before >> kVersionShift) + 1;
  state.store((version << kVersionShift) | (State{ids.size()} << kCountShift),
              std::memory_order_release);
  if (CountOf(before) == 0) rows_filled_.fetch_add(1, std::memory_order_relaxed);
  row_updates_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace recycling::drafter
