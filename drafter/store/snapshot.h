// Converts a matrix to bytes and back. README.md describes the format, which has a version and a
// checksum. Equal matrices give equal bytes.
#ifndef RECYCLING_DRAFTER_STORE_SNAPSHOT_H_
#define RECYCLING_DRAFTER_STORE_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "drafter/store/matrix_store.h"

namespace recycling::drafter {

// A snapshot has at most 8 + 4k bytes for each row, as many as the matrix takes in memory, plus
// this many bytes.
inline constexpr std::uint64_t kMaxSnapshotOverhead = 1024;

// Returns the snapshot of `matrix`. Other threads may write the matrix during the call. Each row in
// the snapshot is a whole row that the matrix had at some moment of the call.
std::string EncodeSnapshot(const ModelIdentity& model, const AdjacencyMatrix& matrix);

// A snapshot that has passed all checks: the checksum, the header, the ascending order of the rows'
// tokens, and AdjacencyMatrix::IsValidRow for each row.
class Snapshot {
 public:
  // Checks `bytes`, which must outlive the result. Needs little memory, even if `bytes` claims
  // large sizes. Returns DataLoss if EncodeSnapshot cannot have written `bytes`, and
  // FailedPrecondition for another version of the format.
  static absl::StatusOr<Snapshot> Parse(std::string_view bytes);

  const MatrixBinding& binding() const { return binding_; }
  std::uint32_t rows() const { return rows_; }

  // Writes every row into `matrix`. Requires a cold matrix with the vocab_size and k of binding().
  void Restore(AdjacencyMatrix* matrix) const;

 private:
  Snapshot() = default;

  MatrixBinding binding_;
  std::uint32_t rows_ = 0;
  std::uint64_t row_updates_ = 0;
  std::string_view row_bytes_;
};

// Binds `store` to the snapshot's model and k, and replaces the matrix of `key`. On error, replaces
// nothing. Returns FailedPrecondition if the store is bound to another model or k, and the other
// errors of MatrixStore::ValidateKey, Bind and Allocate.
absl::Status LoadSnapshot(const Snapshot& snapshot, const MatrixKey& key, MatrixStore* store);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_SNAPSHOT_H_
