// The adjacency matrix. Row t holds up to k candidates for the token after t, the most probable
// first. They are the candidates that the model gave most recently after t.
// Invariants:
//  1. A row is cold (never written), or it holds 1 to k distinct ids, all less than vocab_size.
//  2. Those of row_table.h.
#ifndef RECYCLING_DRAFTER_MATRIX_ADJACENCY_MATRIX_H_
#define RECYCLING_DRAFTER_MATRIX_ADJACENCY_MATRIX_H_

#include <atomic>
#include <cstdint>
#include <span>

#include "common/decoding/token_id.h"
#include "drafter/matrix/row_table.h"

namespace recycling::drafter {

// A row has at most this many candidates.
inline constexpr std::uint32_t kMaxK = 64;

// True if `ids` holds 1 to k distinct ids that are less than vocab_size.
bool AreDistinctIds(std::span<const TokenId> ids, std::uint32_t vocab_size, std::uint32_t k);

// Threads: all methods may be called from any thread at any time.
class AdjacencyMatrix {
 public:
  // All rows are cold at first. Requires vocab_size >= 1 and k in [1, kMaxK]. Allocates
  // MemoryBytes(vocab_size, k) bytes.
  AdjacencyMatrix(std::uint32_t vocab_size, std::uint32_t k);

  // The bytes that a matrix takes: 8 + 4k for each row, so 1.28 MB for 32 000 tokens and k = 8.
  static std::uint64_t MemoryBytes(std::uint32_t vocab_size, std::uint32_t k);

  std::uint32_t vocab_size() const { return static_cast<std::uint32_t>(table_.rows()); }
  std::uint32_t k() const { return table_.width(); }
  std::uint64_t memory_bytes() const { return MemoryBytes(vocab_size(), k()); }

  // Copies the row of `token` into `row`, which has room for k ids. Returns the number of ids: 0 if
  // the row is cold or `token` is outside the vocabulary.
  std::uint32_t ReadRow(TokenId token, std::span<TokenId> row) const;

  // True if the row of `token` was never written, or `token` is outside the vocabulary.
  bool IsCold(TokenId token) const;

  // True if `ids` holds 1 to k distinct ids, and if these ids and `token` are less than vocab_size.
  static bool IsValidRow(TokenId token, std::span<const TokenId> ids, std::uint32_t vocab_size,
                         std::uint32_t k);

  // Replaces the row of `token`. Requires IsValidRow(token, ids, vocab_size(), k()).
  void WriteRow(TokenId token, std::span<const TokenId> ids);

  // The number of rows that are not cold.
  std::uint32_t rows_filled() const { return rows_filled_.load(std::memory_order_relaxed); }
  // The number of row writes so far. A matrix that was restored from a snapshot begins with the
  // snapshot's number.
  std::uint64_t row_updates() const { return row_updates_.load(std::memory_order_relaxed); }
  // Only for restoring a snapshot. The caller calls it before other threads see the matrix.
  void set_row_updates(std::uint64_t updates) { row_updates_.store(updates); }

 private:
  RowTable table_;
  std::atomic<std::uint32_t> rows_filled_{0};
  std::atomic<std::uint64_t> row_updates_{0};
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_MATRIX_ADJACENCY_MATRIX_H_
