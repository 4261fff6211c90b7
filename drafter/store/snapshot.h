// Converts the memory of a scope to bytes and back: its matrix, its rows of token pairs, and what
// it has learnt about its sources. README.md describes the format, which has a version and a
// checksum. Equal memories give equal bytes.
#ifndef RECYCLING_DRAFTER_STORE_SNAPSHOT_H_
#define RECYCLING_DRAFTER_STORE_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "drafter/store/matrix_store.h"

namespace recycling::drafter {

// A snapshot has at most as many bytes as ScopeMemory::memory_bytes() says, plus this many.
inline constexpr std::uint64_t kMaxSnapshotOverhead = 64 << 10;

// Returns the snapshot of `memory`. Other threads may write the memory during the call. Each row in
// the snapshot is a whole row that the memory had at some moment of the call.
std::string EncodeSnapshot(const ModelIdentity& model, const ScopeMemory& memory);

// A snapshot that has passed all checks: the checksum, the header, the ascending order of rows and
// slots, distinct ids of the vocabulary in each row, and AreValid for the mixing numbers.
class Snapshot {
 public:
  // Checks `bytes`, which must outlive the result. Needs little memory, even if `bytes` claims
  // large sizes. Returns DataLoss if EncodeSnapshot cannot have written `bytes`, and
  // FailedPrecondition for another version of the format.
  static absl::StatusOr<Snapshot> Parse(std::string_view bytes);

  const MatrixBinding& binding() const { return binding_; }
  std::uint32_t rows() const { return rows_; }
  // The size of the pair rows, PairMatrix::bits().
  int pair_bits() const { return pair_bits_; }
  // At most pair_bits(): the size to which a PairMatrix with so many rows would have grown.
  int wanted_pair_bits() const;

  // Writes the rows of the matrix into `matrix`. Requires a new matrix with the vocab_size and k of
  // binding().
  void RestoreRows(AdjacencyMatrix* matrix) const;

  // Writes everything into `memory`. Requires a new memory with the vocab_size and k of binding().
  // If its pair rows have fewer bits than pair_bits(), some rows take the slots of others.
  void Restore(ScopeMemory* memory) const;

 private:
  Snapshot() = default;

  MatrixBinding binding_;
  std::uint32_t rows_ = 0;
  std::uint64_t row_updates_ = 0;
  std::string_view row_bytes_;
  MixingNumbers mixing_;
  int pair_bits_ = PairMatrix::kFirstBits;
  std::uint32_t pair_rows_ = 0;
  std::string_view pair_bytes_;
};

// Binds `store` to the snapshot's model and k, and replaces the memory of `key`. If the limit
// leaves no room for all pair rows, there are fewer of them. On error, replaces nothing. Returns
// FailedPrecondition if the store is bound to another model or k, and the other errors of
// MatrixStore::ValidateKey, Bind and Allocate.
absl::Status LoadSnapshot(const Snapshot& snapshot, const MatrixKey& key, MatrixStore* store);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_SNAPSHOT_H_
