#include "common/decoding/sampling_options.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check_range.h"
#include "common/base/status_macros.h"
#include "common/decoding/check_token.h"

namespace recycling {
namespace {

// NaN is not above zero.
absl::Status CheckAboveZero(const char* name, float value, float high) {
  if (value > 0 && value <= high) return absl::OkStatus();
  return OutOfRange(name, absl::StrCat(value), absl::StrCat("more than 0, at most ", high));
}

}  // namespace

absl::Status CheckBiasCount(std::size_t count) {
  constexpr std::size_t kMost = 1024;
  if (count <= kMost) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("logit_bias: got ", count, " entries, expected at most ", kMost));
}

absl::Status ValidateSamplingOptions(const SamplingOptions& options, std::uint32_t vocab_size) {
  for (const absl::Status& status : {
           CheckRange("temperature", options.temperature, 0, 100),
           CheckAboveZero("top_p", options.top_p, 1),
           CheckRange("min_p", options.min_p, 0, 1),
           CheckAboveZero("repetition_penalty", options.repetition_penalty, 100),
           CheckRange("frequency_penalty", options.frequency_penalty, -100, 100),
           CheckRange("presence_penalty", options.presence_penalty, -100, 100),
       }) {
    RETURN_IF_ERROR(status);
  }
  RETURN_IF_ERROR(CheckBiasCount(options.logit_bias.size()));
  std::vector<TokenId> biased;
  for (const auto& [token, bias] : options.logit_bias) {
    RETURN_IF_ERROR(CheckRange("logit_bias", bias, -1000, 1000));
    biased.push_back(token);
  }
  RETURN_IF_ERROR(CheckTokens("logit_bias", biased, vocab_size));
  std::sort(biased.begin(), biased.end());
  if (const auto twin = std::adjacent_find(biased.begin(), biased.end()); twin != biased.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("logit_bias: got token id ", *twin, " twice, expected distinct ids"));
  }
  constexpr std::size_t kMostConstraintBytes = 1 << 20;
  if (options.constraint.has_value() && options.constraint->text.size() > kMostConstraintBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("constraint: got ", options.constraint->text.size(),
                     " bytes, expected at most ", kMostConstraintBytes));
  }
  if (options.max_tokens.has_value() && *options.max_tokens == 0) {
    return absl::InvalidArgumentError("max_tokens: got 0, expected at least 1");
  }
  if (options.max_tokens.has_value() && options.min_tokens > *options.max_tokens) {
    return absl::InvalidArgumentError(absl::StrCat("min_tokens: got ", options.min_tokens,
                                                   ", expected at most max_tokens, ",
                                                   *options.max_tokens));
  }
  if (options.stop_token_ids.size() > 64) {
    return absl::InvalidArgumentError(absl::StrCat(
        "stop_token_ids: got ", options.stop_token_ids.size(), " ids, expected at most 64"));
  }
  RETURN_IF_ERROR(CheckTokens("stop_token_ids", options.stop_token_ids, vocab_size));
  return CheckRange("top_logprobs", options.top_logprobs.value_or(0), 0, 20);
}

}  // namespace recycling
