// One matrix as bytes; README.md has the format. Versioned, checksummed, and canonical: equal
// matrices give equal bytes.
#ifndef RECYCLING_DRAFTER_STORE_SNAPSHOT_H_
#define RECYCLING_DRAFTER_STORE_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "drafter/store/matrix_store.h"

namespace recycling::drafter {

// Most bytes of a snapshot beside 8 + 4k for each row, which is also what a row takes in memory.
inline constexpr std::uint64_t kMaxSnapshotOverhead = 1024;

// The matrix may be written meanwhile: each row is what it was at some moment.
std::string EncodeSnapshot(const ModelIdentity& model, const AdjacencyMatrix& matrix);

// A snapshot that was checked to the last byte: checksum, header, and every row as
// AdjacencyMatrix::IsValidRow asks for, in ascending order of tokens.
class Snapshot {
 public:
  // Takes no memory to speak of, whatever `bytes` claims. `bytes` must outlive the result. DataLoss
  // for anything that EncodeSnapshot would not have written, FailedPrecondition for a later version
  // of the format.
  static absl::StatusOr<Snapshot> Parse(std::string_view bytes);

  const MatrixBinding& binding() const { return binding_; }
  std::uint32_t rows() const { return rows_; }

  // Writes every row into `matrix`, which is cold and of binding()'s vocab_size and k.
  void Restore(AdjacencyMatrix* matrix) const;

 private:
  Snapshot() = default;

  MatrixBinding binding_;
  std::uint32_t rows_ = 0;
  std::uint64_t row_updates_ = 0;
  std::string_view row_bytes_;
};

// Binds `store` to the snapshot's model if it is not bound yet and replaces the matrix of `key`; on
// error nothing is replaced. FailedPrecondition if the store is bound to another model or k, else
// as MatrixStore::ValidateKey, Bind and Allocate.
absl::Status LoadSnapshot(const Snapshot& snapshot, const MatrixKey& key, MatrixStore* store);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_SNAPSHOT_H_
