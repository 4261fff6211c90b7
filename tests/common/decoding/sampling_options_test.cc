#include "common/decoding/sampling_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::uint32_t kVocab = 10;

TEST(ValidateSamplingOptionsTest, AcceptsDefaultsAndTheEdgesOfEveryRange) {
  EXPECT_THAT(ValidateSamplingOptions({}, kVocab), IsOk());
  SamplingOptions low{.temperature = 0,
                      .top_p = std::numeric_limits<float>::denorm_min(),
                      .min_p = 0,
                      .repetition_penalty = std::numeric_limits<float>::denorm_min(),
                      .frequency_penalty = -100,
                      .presence_penalty = -100,
                      .logit_bias = {{0, -1000}},
                      .max_tokens = 1,
                      .stop_token_ids = {0},
                      .top_logprobs = 0};
  EXPECT_THAT(ValidateSamplingOptions(low, kVocab), IsOk());
  SamplingOptions high{.temperature = 100,
                       .top_k = std::numeric_limits<std::uint32_t>::max(),
                       .top_p = 1,
                       .min_p = 1,
                       .repetition_penalty = 100,
                       .frequency_penalty = 100,
                       .presence_penalty = 100,
                       .logit_bias = {{kVocab - 1, 1000}},
                       .max_tokens = std::numeric_limits<std::uint32_t>::max(),
                       .min_tokens = std::numeric_limits<std::uint32_t>::max(),
                       .stop_token_ids = std::vector<TokenId>(64, kVocab - 1),
                       .top_logprobs = 20};
  EXPECT_THAT(ValidateSamplingOptions(high, kVocab), IsOk());
}

TEST(ValidateSamplingOptionsTest, RefusesNumbersOutsideTheirRangeAndNaN) {
  struct Field {
    const char* name;
    float SamplingOptions::*member;
    float below, above;
  };
  const float tiny = std::numeric_limits<float>::denorm_min();
  const Field fields[] = {
      {"temperature", &SamplingOptions::temperature, -tiny, 100.1f},
      {"top_p", &SamplingOptions::top_p, 0, 1.001f},
      {"min_p", &SamplingOptions::min_p, -tiny, 1.001f},
      {"repetition_penalty", &SamplingOptions::repetition_penalty, 0, 100.1f},
      {"frequency_penalty", &SamplingOptions::frequency_penalty, -100.1f, 100.1f},
      {"presence_penalty", &SamplingOptions::presence_penalty, -100.1f, 100.1f},
  };
  for (const Field& field : fields) {
    for (const float value : {field.below, field.above, std::nanf(""), INFINITY, -INFINITY}) {
      SamplingOptions options;
      options.*field.member = value;
      EXPECT_THAT(ValidateSamplingOptions(options, kVocab),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           StartsWith(std::string(field.name) + ": got ")))
          << value;
    }
  }
}

void ExpectRefused(const SamplingOptions& options, const std::string& message) {
  EXPECT_THAT(ValidateSamplingOptions(options, kVocab),
              StatusIs(absl::StatusCode::kInvalidArgument, message));
}

TEST(ValidateSamplingOptionsTest, RefusesWrongIdsCountsAndDuplicatesAndStatesTheExpectedValue) {
  ExpectRefused({.logit_bias = {{kVocab, 1}}},
                "logit_bias: got token id 10, expected less than 10");
  ExpectRefused({.logit_bias = {{3, 1}, {4, 1}, {3, 2}}},
                "logit_bias: got token id 3 twice, expected distinct ids");
  ExpectRefused({.logit_bias = std::vector<std::pair<TokenId, float>>(1025)},
                "logit_bias: got 1025 entries, expected at most 1024");
  ExpectRefused({.logit_bias = {{3, 1001}}}, "logit_bias: got 1001, expected -1000 to 1000");
  ExpectRefused({.logit_bias = {{3, std::nanf("")}}},
                "logit_bias: got nan, expected -1000 to 1000");
  ExpectRefused({.max_tokens = 0}, "max_tokens: got 0, expected at least 1");
  ExpectRefused({.max_tokens = 3, .min_tokens = 4},
                "min_tokens: got 4, expected at most max_tokens, 3");
  ExpectRefused({.stop_token_ids = {1, kVocab}},
                "stop_token_ids: got token id 10, expected less than 10");
  ExpectRefused({.stop_token_ids = std::vector<TokenId>(65)},
                "stop_token_ids: got 65 ids, expected at most 64");
  ExpectRefused({.top_logprobs = 21}, "top_logprobs: got 21, expected 0 to 20");
}

}  // namespace
}  // namespace recycling
