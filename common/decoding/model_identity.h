#ifndef RECYCLING_COMMON_DECODING_MODEL_IDENTITY_H_
#define RECYCLING_COMMON_DECODING_MODEL_IDENTITY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace recycling {

// What two services compare before they work together. With equal identities, a text has the same
// token ids on both sides, and an adjacency matrix the same rows.
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
