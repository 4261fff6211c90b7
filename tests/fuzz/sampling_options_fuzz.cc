// Sampling options from a message must convert back without loss. Options that
// ValidateSamplingOptions accepts must be in range.
#include "common/decoding/sampling_options.h"
#include "common/rpc/proto_convert.h"
#include "tests/fuzz/proto_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto proto =
      recycling::fuzz::ParseInput<recycling::common::v1::SamplingOptions>(data, size);
  const recycling::SamplingOptions options = recycling::SamplingOptionsFromProto(proto);
  constexpr std::uint32_t kVocab = 512;
  if (!recycling::ValidateSamplingOptions(options, kVocab).ok()) return 0;
  FUZZ_CHECK(options.temperature >= 0 && options.temperature <= 100);
  FUZZ_CHECK(options.top_p > 0 && options.top_p <= 1);
  FUZZ_CHECK(options.min_p >= 0 && options.min_p <= 1);
  FUZZ_CHECK(options.repetition_penalty > 0 && options.repetition_penalty <= 100);
  for (const auto& [token, bias] : options.logit_bias) {
    FUZZ_CHECK(token < kVocab && bias >= -1000 && bias <= 1000);
  }
  recycling::common::v1::SamplingOptions back;
  recycling::SamplingOptionsToProto(options, &back);
  FUZZ_CHECK(recycling::SamplingOptionsFromProto(back) == options);
  return 0;
}
