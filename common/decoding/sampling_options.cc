#include "common/decoding/sampling_options.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace recycling {
namespace {

// NaN fails the condition as it is written.
absl::Status CheckRange(const char* name, float value, float low, float high,
                        bool low_open = false) {
  if (value <= high && (low_open ? value > low : value >= low)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": got ", value, ", expected ",
                                                 low_open ? "more than " : "", low, " to ", high));
}

absl::Status CheckToken(const char* name, TokenId token, std::uint32_t vocab_size) {
  if (token < vocab_size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": got token id ", token, ", expected less than ", vocab_size));
}

}  // namespace

absl::Status ValidateSamplingOptions(const SamplingOptions& options, std::uint32_t vocab_size) {
  for (absl::Status status : {
           CheckRange("temperature", options.temperature, 0, 100),
           CheckRange("top_p", options.top_p, 0, 1, /*low_open=*/true),
           CheckRange("min_p", options.min_p, 0, 1),
           CheckRange("repetition_penalty", options.repetition_penalty, 0, 100, /*low_open=*/true),
           CheckRange("frequency_penalty", options.frequency_penalty, -100, 100),
           CheckRange("presence_penalty", options.presence_penalty, -100, 100),
       }) {
    if (!status.ok()) return status;
  }
  if (options.logit_bias.size() > 1024) {
    return absl::InvalidArgumentError(absl::StrCat("logit_bias: got ", options.logit_bias.size(),
                                                   " entries, expected at most 1024"));
  }
  std::vector<TokenId> biased;
  for (const auto& [token, bias] : options.logit_bias) {
    if (absl::Status status = CheckToken("logit_bias", token, vocab_size); !status.ok())
      return status;
    if (absl::Status status = CheckRange("logit_bias", bias, -1000, 1000); !status.ok())
      return status;
    biased.push_back(token);
  }
  std::sort(biased.begin(), biased.end());
  if (const auto twin = std::adjacent_find(biased.begin(), biased.end()); twin != biased.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("logit_bias: got token id ", *twin, " twice, expected distinct ids"));
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
  for (const TokenId token : options.stop_token_ids) {
    if (absl::Status status = CheckToken("stop_token_ids", token, vocab_size); !status.ok())
      return status;
  }
  if (options.top_logprobs.has_value() && *options.top_logprobs > 20) {
    return absl::InvalidArgumentError(
        absl::StrCat("top_logprobs: got ", *options.top_logprobs, ", expected 0 to 20"));
  }
  return absl::OkStatus();
}

}  // namespace recycling
