// How a token is chosen from logits: the fields of recycling.common.v1.SamplingOptions, with every
// default filled in.
#ifndef RECYCLING_COMMON_DECODING_SAMPLING_OPTIONS_H_
#define RECYCLING_COMMON_DECODING_SAMPLING_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/decoding/token_id.h"

namespace recycling {

// A form that the text of an output must have. common/constraint compiles it.
struct TextConstraint {
  enum class Kind { kJsonSchema, kPattern, kGrammar };

  Kind kind = Kind::kJsonSchema;
  std::string text;  // the schema, the regular expression, or the grammar

  bool operator==(const TextConstraint&) const = default;
};

struct SamplingOptions {
  float temperature = 0;         // [0, 100]; 0 is greedy
  std::uint32_t top_k = 0;       // 0 keeps all
  float top_p = 1;               // (0, 1]
  float min_p = 0;               // [0, 1]
  float repetition_penalty = 1;  // (0, 100]
  float frequency_penalty = 0;   // [-100, 100]
  float presence_penalty = 0;    // [-100, 100]
  std::vector<std::pair<TokenId, float>>
      logit_bias;                           // distinct ids, at most 1024; bias in [-1000, 1000]
  std::optional<std::uint64_t> seed;        // must be set to choose tokens at temperature > 0
  std::optional<std::uint32_t> max_tokens;  // at least 1
  std::uint32_t min_tokens = 0;
  std::vector<TokenId> stop_token_ids;  // at most 64
  bool ignore_eos = false;
  std::optional<std::uint32_t> top_logprobs;  // 0 to 20
  std::optional<TextConstraint> constraint;

  bool operator==(const SamplingOptions&) const = default;
};

// InvalidArgument if logit_bias may not have `count` entries.
absl::Status CheckBiasCount(std::size_t count);

// OK if every field is in its range, no number is NaN and every id is in [0, vocab_size). Else
// InvalidArgument that names field, value and range.
absl::Status ValidateSamplingOptions(const SamplingOptions& options, std::uint32_t vocab_size);

// Natural logarithm of an emitted token's probability, computed from the model's raw logits.
struct TokenLogprob {
  TokenId token = 0;
  float logprob = 0;
  std::vector<std::pair<TokenId, float>> top;  // highest first

  bool operator==(const TokenLogprob&) const = default;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_DECODING_SAMPLING_OPTIONS_H_
