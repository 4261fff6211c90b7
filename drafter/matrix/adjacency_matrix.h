// What last followed each token: row t holds up to k candidates of token t, most probable first.
// Invariants:
//  1. A row is cold (never written) or holds 1 to k distinct ids, all less than vocab_size.
//  2. A reader sees one write's row whole or another's, never a mixture.
//  3. Reading and writing take no memory and no lock; a reader repeats a row that was written under
//  it, a writer waits for the few stores of another writer of the same row.
#ifndef RECYCLING_DRAFTER_MATRIX_ADJACENCY_MATRIX_H_
#define RECYCLING_DRAFTER_MATRIX_ADJACENCY_MATRIX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "common/decoding/token_id.h"
#include "drafter/matrix/acceptance.h"

namespace recycling::drafter {

// Most candidates a row can have.
inline constexpr std::uint32_t kMaxK = 64;

// Threads: all methods may be called from any thread at any time.
class AdjacencyMatrix {
 public:
  // Every row is cold. vocab_size >= 1, k in [1, kMaxK]. Takes MemoryBytes(vocab_size, k).
  AdjacencyMatrix(std::uint32_t vocab_size, std::uint32_t k);

  AdjacencyMatrix(const AdjacencyMatrix&) = delete;
  AdjacencyMatrix& operator=(const AdjacencyMatrix&) = delete;

  // 8 + 4k bytes a row: 1.28 MB at vocabulary 32 000 and k = 8.
  static std::uint64_t MemoryBytes(std::uint32_t vocab_size, std::uint32_t k);

  std::uint32_t vocab_size() const { return vocab_size_; }
  std::uint32_t k() const { return k_; }
  std::uint64_t memory_bytes() const { return MemoryBytes(vocab_size_, k_); }

  // Copies the row of `token` into `row`, which has room for k ids, and returns their number: 0 if
  // it is cold or `token` is outside the vocabulary.
  std::uint32_t ReadRow(TokenId token, std::span<TokenId> row) const;

  // True for 1 to k distinct ids and a token, all less than vocab_size.
  static bool IsValidRow(TokenId token, std::span<const TokenId> ids, std::uint32_t vocab_size,
                         std::uint32_t k);

  // Replaces the row of `token`. Requires IsValidRow(token, ids, vocab_size(), k()).
  void WriteRow(TokenId token, std::span<const TokenId> ids);

  // Rows that are not cold.
  std::uint32_t rows_filled() const { return rows_filled_.load(std::memory_order_relaxed); }
  // Writes so far, those before a snapshot it was restored from included.
  std::uint64_t row_updates() const { return row_updates_.load(std::memory_order_relaxed); }
  // How often candidates came true, over all sequences that use this matrix. Some 3 KB, which
  // memory_bytes does not count.
  SharedAcceptance& acceptance() { return acceptance_; }
  const SharedAcceptance& acceptance() const { return acceptance_; }
  // For restoring a snapshot, before the matrix is shared.
  void set_row_updates(std::uint64_t updates) { row_updates_.store(updates); }

 private:
  // Number of writes of a row so far, its count and whether it is being written, in one word.
  using State = std::uint64_t;

  const std::uint32_t vocab_size_;
  const std::uint32_t k_;
  const std::unique_ptr<std::atomic<State>[]> states_;  // [vocab_size]
  const std::unique_ptr<std::atomic<TokenId>[]> ids_;   // [vocab_size, k]
  std::atomic<std::uint32_t> rows_filled_{0};
  std::atomic<std::uint64_t> row_updates_{0};
  SharedAcceptance acceptance_;  // has its own locking
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_MATRIX_ADJACENCY_MATRIX_H_
