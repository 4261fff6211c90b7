// Rows that all tenants read if their own matrix has no row for a token. `recycling matrix fill`
// writes them to a file, once for each model. The file is a snapshot (README.md).
#ifndef RECYCLING_DRAFTER_STORE_BASE_MATRIX_H_
#define RECYCLING_DRAFTER_STORE_BASE_MATRIX_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/store/matrix_binding.h"

namespace recycling::drafter {

// Does not change after it was loaded. Threads: any.
struct BaseMatrix {
  std::string path;  // of the file, for messages
  MatrixBinding binding;
  AdjacencyMatrix matrix;
};

// Returns the rows of the snapshot `bytes`, which come from the file `path`. Ignores its weights
// and its rows of token pairs. The errors begin with the path. Returns the errors of
// Snapshot::Parse, and ResourceExhausted if the rows would take more than `max_bytes`.
absl::StatusOr<std::unique_ptr<const BaseMatrix>> ParseBaseMatrix(const std::string& path,
                                                                  std::string_view bytes,
                                                                  std::uint64_t max_bytes);

// Reads the file `path`. Also returns the errors of ReadFile (durable_file.h): NotFound if there is
// no such file, and ResourceExhausted if it has more than `max_bytes` bytes.
absl::StatusOr<std::unique_ptr<const BaseMatrix>> LoadBaseMatrix(const std::string& path,
                                                                 std::uint64_t max_bytes);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_BASE_MATRIX_H_
