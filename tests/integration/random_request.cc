#include "tests/integration/random_request.h"

#include <iterator>
#include <random>
#include <string>

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;

using Random = std::mt19937_64;

double Unit(Random& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }
bool Chance(Random& random, double probability) { return Unit(random) < probability; }
float Between(Random& random, double low, double high) {
  return static_cast<float>(low + (high - low) * Unit(random));
}
std::uint32_t UpTo(Random& random, std::uint32_t most) {
  return static_cast<std::uint32_t>(random() % (most + 1));
}

std::string RandomPrompt(Random& random) {
  constexpr const char* kWords[] = {
      "the ", "a ",  "way ",          "Once upon ", "in ",     "1234 ",        "of ",
      "\n",   "'s ", "zw\xC3\xB6lf ", "he said, ",  "\"No\" ", "\xE2\x82\xAC", "qqq"};
  std::string prompt = "It ";
  for (std::uint32_t words = UpTo(random, 24); words > 0; --words) {
    prompt += kWords[random() % std::size(kWords)];
  }
  return prompt;
}

// Sets each field in some requests to a random value of its range. In other requests the field
// keeps its default.
void RandomSampling(Random& random, std::uint32_t longest, common::v1::SamplingOptions* sampling) {
  if (Chance(random, 0.7)) sampling->set_temperature(Between(random, 0, 1.5));
  if (Chance(random, 0.4)) sampling->set_top_k(UpTo(random, 50));
  if (Chance(random, 0.4)) sampling->set_top_p(Between(random, 0.05, 1));
  if (Chance(random, 0.3)) sampling->set_min_p(Between(random, 0, 0.3));
  if (Chance(random, 0.4)) sampling->set_repetition_penalty(Between(random, 0.8, 1.5));
  if (Chance(random, 0.3)) sampling->set_frequency_penalty(Between(random, -0.5, 1));
  if (Chance(random, 0.3)) sampling->set_presence_penalty(Between(random, -0.5, 1));
  for (std::uint32_t token = 0; Chance(random, 0.3); token += 1 + UpTo(random, 40)) {
    auto* bias = sampling->add_logit_bias();
    bias->set_token_id(token);
    bias->set_bias(Between(random, -5, 5));
  }
  sampling->set_seed(random());
  sampling->set_max_tokens(1 + UpTo(random, longest - 1));
  if (Chance(random, 0.3)) {
    sampling->set_min_tokens(UpTo(random, sampling->max_tokens()));
  }
  for (int stops = Chance(random, 0.2) ? 3 : 0; stops > 0; --stops) {
    sampling->add_stop_token_ids(UpTo(random, 300));
  }
  if (Chance(random, 0.5)) sampling->set_ignore_eos(true);
  if (Chance(random, 0.3)) sampling->set_top_logprobs(UpTo(random, 5));
}

}  // namespace

pb::GenerateRequest RandomRequest(std::uint64_t seed, std::uint32_t longest) {
  Random random(seed);
  pb::GenerateRequest request;
  request.set_prompt(RandomPrompt(random));
  RandomSampling(random, longest, request.mutable_sampling());
  if (Chance(random, 0.2)) request.add_stop("e");
  auto* speculation = request.mutable_speculation();
  speculation->set_node_budget(UpTo(random, 16));
  speculation->set_matrix_scope(Chance(random, 0.5) ? common::v1::MATRIX_SCOPE_REQUEST
                                                    : common::v1::MATRIX_SCOPE_TENANT);
  if (Chance(random, 0.3)) speculation->set_learn_from_prompt(true);
  return request;
}

}  // namespace recycling::integration
