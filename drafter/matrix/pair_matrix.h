// The candidates after pairs of tokens. The row of (before, last) holds up to k candidates for the
// token after "before last", the most probable first. They are the candidates that the model gave
// most recently there.
//
// The rows stand in slots of a hash table. A slot holds one row, and a later row of another pair
// replaces it. So rows may be missing. If two pairs have the same hash, one of them gets the row of
// the other; that is rare and costs only a wrong draft.
#ifndef RECYCLING_DRAFTER_MATRIX_PAIR_MATRIX_H_
#define RECYCLING_DRAFTER_MATRIX_PAIR_MATRIX_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "common/decoding/token_id.h"
#include "drafter/matrix/row_table.h"

namespace recycling::drafter {

// Threads: all methods may be called from any thread at any time, except Grow and WriteSlot: one
// thread at a time calls Grow, and only a thread that restores a snapshot calls WriteSlot.
class PairMatrix {
 public:
  // The number of slots is 2^kFirstBits at first and 2^kLastBits at most.
  static constexpr int kFirstBits = 10;
  static constexpr int kLastBits = 16;

  // All slots are empty at first. Requires k in [1, kMaxK].
  explicit PairMatrix(std::uint32_t k);

  // The bytes of a matrix with 2^bits slots: 12 + 4k for each slot.
  static std::uint64_t MemoryBytes(int bits, std::uint32_t k);

  std::uint32_t k() const { return k_; }
  // The number of slots is 2^bits().
  int bits() const { return bits_.load(std::memory_order_acquire); }
  std::uint64_t memory_bytes() const { return MemoryBytes(bits(), k_); }
  // The number of slots that are not empty.
  std::uint32_t rows_filled() const { return rows_filled_.load(std::memory_order_relaxed); }

  // Copies the row of the pair into `row`, which has room for k ids. Returns the number of ids; 0
  // if there is no such row.
  std::uint32_t ReadRow(TokenId before, TokenId last, std::span<TokenId> row) const;

  // Replaces the row of the pair. Requires 1 to k distinct ids.
  void WriteRow(TokenId before, TokenId last, std::span<const TokenId> ids);

  // True if more than half of the slots are in use, and there can be more slots.
  bool WantsToGrow() const { return bits() < kLastBits && rows_filled() > Slots(bits()) / 2; }
  // Doubles the number of slots. Rows that were written since the last growth are found where they
  // are. Of the older ones, most are lost; they still count in rows_filled(). Requires
  // bits() < kLastBits.
  void Grow();

  // For snapshots. A slot that is not empty holds a tag, which belongs to its pair, and a row.
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t count = 0;  // of ids
  };
  // Copies the row of slot `slot` into `row`, which has room for k ids. Absent if the slot is
  // empty. Requires slot < 2^bits().
  std::optional<Slot> ReadSlot(std::uint32_t slot, std::span<TokenId> row) const;
  // Requires slot < 2^bits() and 1 to k distinct ids.
  void WriteSlot(std::uint32_t slot, std::uint32_t tag, std::span<const TokenId> ids);

 private:
  static constexpr std::uint32_t Slots(int bits) { return 1U << bits; }

  // The segment of a slot and its row there. Segment 0 has 2^kFirstBits slots. Segment i holds the
  // slots that the i-th call of Grow added.
  const RowTable& TableOf(std::uint32_t slot, std::size_t* row) const;
  RowTable& TableOf(std::uint32_t slot, std::size_t* row);

  const std::uint32_t k_;
  std::array<std::unique_ptr<RowTable>, kLastBits - kFirstBits + 1> segments_;
  std::atomic<int> bits_{kFirstBits};  // only the segments of these slots may be used
  std::atomic<std::uint32_t> rows_filled_{0};
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_MATRIX_PAIR_MATRIX_H_
