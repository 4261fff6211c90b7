#include "drafter/store/base_matrix.h"

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "drafter/store/durable_file.h"
#include "drafter/store/snapshot.h"

namespace recycling::drafter {
namespace {

absl::Status In(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("base matrix ", path, ": ", status.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<const BaseMatrix>> ParseBaseMatrix(const std::string& path,
                                                                  std::string_view bytes,
                                                                  std::uint64_t max_bytes) {
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Parse(bytes);
  if (!snapshot.ok()) return In(path, snapshot.status());
  const MatrixBinding& binding = snapshot->binding();
  const std::uint32_t vocab_size = binding.model.vocab_size;
  if (const std::uint64_t needed = AdjacencyMatrix::MemoryBytes(vocab_size, binding.k);
      needed > max_bytes) {
    return In(path, absl::ResourceExhaustedError(
                        absl::StrCat("got ", vocab_size, " rows of ", binding.k, ", which take ",
                                     needed, " bytes, expected at most ", max_bytes)));
  }
  std::unique_ptr<BaseMatrix> base(
      new BaseMatrix{.path = path, .binding = binding, .matrix = {vocab_size, binding.k}});
  snapshot->RestoreRows(&base->matrix);
  return base;
}

absl::StatusOr<std::unique_ptr<const BaseMatrix>> LoadBaseMatrix(const std::string& path,
                                                                 std::uint64_t max_bytes) {
  const absl::StatusOr<std::string> bytes = ReadFile(path, max_bytes);
  if (!bytes.ok()) return In(path, bytes.status());
  return ParseBaseMatrix(path, *bytes, max_bytes);
}

}  // namespace recycling::drafter
