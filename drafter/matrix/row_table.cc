#include "drafter/matrix/row_table.h"

#include <thread>

namespace recycling::drafter {
namespace {

// The state of a row. Bit 0 is set while a writer stores the row. Bits 1 to 7 hold the number of
// values; 0 means that the row is empty. The other bits count the writes. A reader loads the state
// twice, so it notices every write in between.
constexpr std::uint64_t kWriting = 1;
constexpr int kCountShift = 1;
constexpr std::uint64_t kCountMask = 0x7f;
constexpr int kVersionShift = 8;
static_assert(RowTable::kMaxWidth <= kCountMask);

std::uint32_t CountOf(std::uint64_t state) {
  return static_cast<std::uint32_t>((state >> kCountShift) & kCountMask);
}

}  // namespace

RowTable::RowTable(std::size_t rows, std::uint32_t width)
    : rows_(rows),
      width_(width),
      states_(std::make_unique<std::atomic<State>[]>(rows)),
      values_(std::make_unique<std::atomic<std::uint32_t>[]>(rows * width)) {}

std::uint64_t RowTable::MemoryBytes(std::size_t rows, std::uint32_t width) {
  return std::uint64_t{rows} * (sizeof(State) + width * sizeof(std::uint32_t));
}

// A reader loads the state before and after it loads the values. No later load moves before an
// acquire load. If the reader loads a value of a write in progress, it also sees how that write
// changed the state, because the writer stores values with release. So the second state differs
// from the first, and the reader tries again.
std::uint32_t RowTable::Read(std::size_t row, std::span<std::uint32_t> values) const {
  const std::atomic<State>& state = states_[row];
  const std::atomic<std::uint32_t>* const stored = &values_[row * width_];
  while (true) {
    const State before = state.load(std::memory_order_acquire);
    if ((before & kWriting) != 0) {
      std::this_thread::yield();
      continue;
    }
    const std::uint32_t count = CountOf(before);
    for (std::uint32_t i = 0; i < count; ++i) values[i] = stored[i].load(std::memory_order_acquire);
    if (state.load(std::memory_order_relaxed) == before) return count;
  }
}

bool RowTable::IsEmpty(std::size_t row) const {
  return CountOf(states_[row].load(std::memory_order_relaxed)) == 0;
}

bool RowTable::Write(std::size_t row, std::span<const std::uint32_t> values) {
  std::atomic<State>& state = states_[row];
  std::atomic<std::uint32_t>* const stored = &values_[row * width_];
  State before = state.load(std::memory_order_relaxed);
  while ((before & kWriting) != 0 ||
         !state.compare_exchange_weak(before, before | kWriting, std::memory_order_acquire,
                                      std::memory_order_relaxed)) {
    if ((before & kWriting) != 0) {
      std::this_thread::yield();
      before = state.load(std::memory_order_relaxed);
    }
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    stored[i].store(values[i], std::memory_order_release);
  }
  const State version = (before >> kVersionShift) + 1;
  state.store((version << kVersionShift) | (State{values.size()} << kCountShift),
              std::memory_order_release);
  return CountOf(before) == 0;
}

}  // namespace recycling::drafter
