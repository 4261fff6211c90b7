#include "drafter/matrix/pair_matrix.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "drafter/matrix/adjacency_matrix.h"

namespace recycling::drafter {
namespace {

// A slot holds the tag and then the ids.
constexpr std::uint32_t kMaxWidth = kMaxK + 1;
static_assert(kMaxWidth <= RowTable::kMaxWidth);

// The finalizer of MurmurHash3. The low bits of the result choose the slot, and the high half is
// the tag.
std::uint64_t HashOf(TokenId before, TokenId last) {
  std::uint64_t hash = (std::uint64_t{before} << 32) | last;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

std::uint32_t SlotOf(std::uint64_t hash, int bits) {
  return static_cast<std::uint32_t>(hash) & ((1U << bits) - 1);
}

std::uint32_t TagOf(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }

}  // namespace

PairMatrix::PairMatrix(std::uint32_t k) : k_(k) {
  segments_[0] = std::make_unique<RowTable>(Slots(kFirstBits), k + 1);
}

std::uint64_t PairMatrix::MemoryBytes(int bits, std::uint32_t k) {
  return RowTable::MemoryBytes(Slots(bits), k + 1);
}

const RowTable& PairMatrix::TableOf(std::uint32_t slot, std::size_t* row) const {
  if (slot < Slots(kFirstBits)) {
    *row = slot;
    return *segments_[0];
  }
  const int top = static_cast<int>(std::bit_width(slot)) -
                  1;  // the segment holds the slots 2^top to 2^(top + 1) - 1
  *row = slot - Slots(top);
  return *segments_[static_cast<std::size_t>(top - kFirstBits + 1)];
}

RowTable& PairMatrix::TableOf(std::uint32_t slot, std::size_t* row) {
  return const_cast<RowTable&>(std::as_const(*this).TableOf(slot, row));
}

std::uint32_t PairMatrix::ReadRow(TokenId before, TokenId last, std::span<TokenId> row) const {
  const std::uint64_t hash = HashOf(before, last);
  const int bits = this->bits();
  // A row that was written before the last growth may stand in the slot that it had then.
  const std::uint32_t slots[] = {SlotOf(hash, bits), SlotOf(hash, std::max(bits - 1, kFirstBits))};
  for (const std::uint32_t slot : slots) {
    const auto found = ReadSlot(slot, row);
    if (found.has_value() && found->tag == TagOf(hash)) return found->count;
    if (slots[0] == slots[1]) break;
  }
  return 0;
}

void PairMatrix::WriteRow(TokenId before, TokenId last, std::span<const TokenId> ids) {
  const std::uint64_t hash = HashOf(before, last);
  WriteSlot(SlotOf(hash, bits()), TagOf(hash), ids);
}

void PairMatrix::Grow() {
  const int bits = this->bits();
  segments_[static_cast<std::size_t>(bits - kFirstBits + 1)] =
      std::make_unique<RowTable>(Slots(bits), k_ + 1);
  bits_.store(bits + 1, std::memory_order_release);
}

std::optional<PairMatrix::Slot> PairMatrix::ReadSlot(std::uint32_t slot,
                                                     std::span<TokenId> row) const {
  std::array<std::uint32_t, kMaxWidth> values;
  std::size_t at = 0;
  const RowTable& table = TableOf(slot, &at);
  const std::uint32_t size = table.Read(at, values);
  if (size == 0) return std::nullopt;
  std::copy(values.begin() + 1, values.begin() + size, row.begin());
  return Slot{.tag = values[0], .count = size - 1};
}

void PairMatrix::WriteSlot(std::uint32_t slot, std::uint32_t tag, std::span<const TokenId> ids) {
  std::array<std::uint32_t, kMaxWidth> values;
  values[0] = tag;
  std::copy(ids.begin(), ids.end(), values.begin() + 1);
  std::size_t at = 0;
  RowTable& table = TableOf(slot, &at);
  if (table.Write(at, std::span(values).first(ids.size() + 1))) {
    rows_filled_.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace recycling::drafter
