// The gateway must refuse a GenerateRequest or make a plan that fits the model.
#include <memory>

#include "gateway/front/generate_plan.h"
#include "gateway/grpc/gateway_proto.h"
#include "tests/doubles/toy_model.h"
#include "tests/fuzz/proto_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace gateway = recycling::gateway;
  constexpr std::uint32_t kContext = 64;
  static const auto made =
      recycling::Tokenizer::Create(recycling::doubles::ToyModel().MakeTokenizerData());
  const recycling::Tokenizer& tokenizer = **made;

  const auto proto = recycling::fuzz::ParseInput<gateway::v1::GenerateRequest>(data, size);
  auto options = gateway::GenerateOptionsFromProto(proto);
  if (!options.ok()) return 0;
  const auto plan = gateway::PlanDecode(*std::move(options), tokenizer, kContext,
                                        gateway::RequestDefaults(), [] { return 7u; });
  if (!plan.ok()) return 0;
  FUZZ_CHECK(!plan->prompt_ids.empty());
  for (const recycling::TokenId id : plan->prompt_ids) FUZZ_CHECK(id < tokenizer.vocab_size());
  FUZZ_CHECK(plan->max_tokens >= 1);
  FUZZ_CHECK(plan->prompt_ids.size() + plan->max_tokens <= kContext);
  FUZZ_CHECK(plan->node_budget >= 0);
  FUZZ_CHECK(plan->sampling.seed.has_value());
  FUZZ_CHECK(recycling::ValidateSamplingOptions(plan->sampling, tokenizer.vocab_size()).ok());
  FUZZ_CHECK(plan->stop.size() <= 16);
  for (const std::string& stop : plan->stop) FUZZ_CHECK(!stop.empty() && stop.size() <= 1024);
  return 0;
}
