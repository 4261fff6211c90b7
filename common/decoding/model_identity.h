#ifndef RECYCLING_COMMON_DECODING_MODEL_IDENTITY_H_
#define RECYCLING_COMMON_DECODING_MODEL_IDENTITY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace recycling {

// Two services compare their identities before they work together. If the identities are equal, a
// text has the same token ids on both sides, and the rows of an adjacency matrix belong to the same
// tokens.
struct ModelIdentity {
  std::string model_id;          // 1 to 256 bytes
  std::uint32_t vocab_size = 0;  // [1, 2^24]
  std::string tokenizer_digest;  // 32 bytes, SHA-256

  bool operator==(const ModelIdentity&) const = default;
};

// OK if every field is in its range; else InvalidArgument.
absl::Status ValidateModelIdentity(const ModelIdentity& identity);

// OK if the identities are equal. Else FailedPrecondition that names the first field that differs,
// the value that came and the value that was expected.
absl::Status CheckSameModel(const ModelIdentity& got, const ModelIdentity& expected);

}  // namespace recycling

#endif  // RECYCLING_COMMON_DECODING_MODEL_IDENTITY_H_
