#ifndef RECYCLING_COMMON_DECODING_MODEL_IDENTITY_H_
#define RECYCLING_COMMON_DECODING_MODEL_IDENTITY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace recycling {

// What two parties compare before they work together: equal identities mean the same ids for the
// same text and the same rows in an adjacency matrix.
struct ModelIdentity {
  std::string model_id;          // 1 to 256 bytes
  std::uint32_t vocab_size = 0;  // [1, 2^24]
  std::string tokenizer_digest;  // 32 bytes, SHA-256

  bool operator==(const ModelIdentity&) const = default;
};

// OK if every field is in its range; else InvalidArgument.
absl::Status ValidateModelIdentity(const ModelIdentity& identity);

// OK if equal; else FailedPrecondition naming the first field that differs, what was got and what
// was expected.
absl::Status CheckSameModel(const ModelIdentity& got, const ModelIdentity& expected);

}  // namespace recycling

#endif  // RECYCLING_COMMON_DECODING_MODEL_IDENTITY_H_
