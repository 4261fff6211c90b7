// The model and k that a drafter's matrices belong to.
#ifndef RECYCLING_DRAFTER_STORE_MATRIX_BINDING_H_
#define RECYCLING_DRAFTER_STORE_MATRIX_BINDING_H_

#include <cstdint>

#include "absl/status/status.h"
#include "common/decoding/model_identity.h"

namespace recycling::drafter {

struct MatrixBinding {
  ModelIdentity model;
  std::uint32_t k = 0;

  bool operator==(const MatrixBinding&) const = default;
};

// Returns InvalidArgument if the model identity is not valid, or if k is not in [1, min(kMaxK,
// vocab_size)].
absl::Status ValidateBinding(const MatrixBinding& binding);

// Returns FailedPrecondition if the bindings differ. The message names the first field that
// differs, the value that came and the value that was expected.
absl::Status CheckSameBinding(const MatrixBinding& got, const MatrixBinding& expected);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_STORE_MATRIX_BINDING_H_
