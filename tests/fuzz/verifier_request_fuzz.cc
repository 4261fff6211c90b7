// The verifier must refuse a message of a Decode stream, or convert it to a valid request for the
// scheduler.
#include "tests/fuzz/proto_fuzz.h"
#include "verifier/service/verifier_convert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace verifier = recycling::verifier;
  constexpr std::uint32_t kContext = 64;
  constexpr int kMaxNodes = 80;
  const auto request = recycling::fuzz::ParseInput<verifier::v1::DecodeRequest>(data, size);
  if (request.has_open()) {
    const auto options = verifier::SequenceOptionsFromProto(request.open(), kContext);
    if (options.ok()) {
      FUZZ_CHECK(options->prompt_ids.size() + options->generated_ids.size() <= kContext);
      FUZZ_CHECK(options->prompt_ids.size() ==
                 static_cast<std::size_t>(request.open().prompt_ids_size()));
      FUZZ_CHECK(options->want_candidates == request.open().want_candidates());
    }
  }
  if (request.has_verify()) {
    const auto step = verifier::StepFromProto(request.verify(), kMaxNodes);
    if (step.ok() && step->tree.has_value()) {
      FUZZ_CHECK(step->base == request.verify().base());
      FUZZ_CHECK(step->tree->drafted() <= kMaxNodes);
      FUZZ_CHECK(step->tree->parents.size() == step->tree->tokens.size());
    }
  }
  return 0;
}
