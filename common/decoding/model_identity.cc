#include "common/decoding/model_identity.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/base/check_range.h"
#include "common/base/status_macros.h"

namespace recycling {

absl::Status ValidateModelIdentity(const ModelIdentity& identity) {
  if (identity.model_id.empty() || identity.model_id.size() > 256) {
    return absl::InvalidArgumentError(
        absl::StrCat("model_id: got ", identity.model_id.size(), " bytes, expected 1 to 256"));
  }
  RETURN_IF_ERROR(CheckRange("vocab_size", identity.vocab_size, 1, 1u << 24));
  if (identity.tokenizer_digest.size() != 32) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tokenizer_digest: got ", identity.tokenizer_digest.size(), " bytes, expected 32"));
  }
  return absl::OkStatus();
}

absl::Status CheckSameModel(const ModelIdentity& got, const ModelIdentity& expected) {
  if (got.model_id != expected.model_id) {
    return absl::FailedPreconditionError(
        absl::StrCat("model_id: got \"", absl::CEscape(got.model_id), "\", expected \"",
                     absl::CEscape(expected.model_id), "\""));
  }
  if (got.vocab_size != expected.vocab_size) {
    return absl::FailedPreconditionError(
        absl::StrCat("vocab_size: got ", got.vocab_size, ", expected ", expected.vocab_size));
  }
  if (got.tokenizer_digest != expected.tokenizer_digest) {
    return absl::FailedPreconditionError(
        absl::StrCat("tokenizer_digest: got ", absl::BytesToHexString(got.tokenizer_digest),
                     ", expected ", absl::BytesToHexString(expected.tokenizer_digest)));
  }
  return absl::OkStatus();
}

}  // namespace recycling
