#include "drafter/store/matrix_binding.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/base/check_range.h"
#include "common/base/status_macros.h"
#include "drafter/matrix/adjacency_matrix.h"

namespace recycling::drafter {

absl::Status ValidateBinding(const MatrixBinding& binding) {
  RETURN_IF_ERROR(ValidateModelIdentity(binding.model));
  const std::uint32_t most = std::min(kMaxK, binding.model.vocab_size);
  return CheckRange("k", binding.k, 1, most);
}

absl::Status CheckSameBinding(const MatrixBinding& got, const MatrixBinding& expected) {
  RETURN_IF_ERROR(CheckSameModel(got.model, expected.model));
  if (got.k == expected.k) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("k: got ", got.k, ", expected ", expected.k));
}

}  // namespace recycling::drafter
