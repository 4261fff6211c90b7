// One matrix as bytes; README.md has the format. The bytes have a version and a checksum. Equal
// matrices give equal bytes.
#ifndef RECYCLING_DRAFTER_STORE_SNAPSHOT_H_
#define RECYCLING_DRAFTER_STORE_SNAPSHOT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "drafter/store/matrix_store.h"

namespace recycling::drafter {

// A snapshot has at most this many bytes in addition to 8 + 4k for each row. A row takes 8 + 4k
// bytes in memory too.
inline constexpr std::uint64_t kMaxSnapshotOverhead = 1024;

// Others may write the matrix meanwhile: each row is as it was at some moment.
std::string EncodeSnapshot(const ModelIdentity& model, const AdjacencyMatrix& matrix);

// A snapshot that was checked to the last byte: the checksum, the header, that the tokens of the
// rows ascend, and each row with AdjacencyMatrix::IsValidRow.
class Snapshot {
 public:
  // Takes little memory, whatever sizes `bytes` claims. `bytes` must outlive the result. DataLoss
  // for bytes that EncodeSnapshot would not have written, FailedPrecondition for another version of
  // the format.
  static absl::StatusOr<Snapshot> Parse(std::string_view bytes);

  const MatrixBinding& binding() const { return binding_; }
  std::uint32_t rows() const { return rows_; }

  // Writes every row into `matrix`, which is cold and has the vocab_size and k of binding().
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
