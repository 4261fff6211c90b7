// Whatever the drafter does, and for any sampling options, the output is the plain one: random
// requests through gateways whose drafter is right, wrong, late, stale, broken or silent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <iterator>
#include <random>
#include <set>
#include <thread>

#include "tests/integration/cluster.h"
#include "tests/integration/models.h"

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

// Every field takes its default in some requests and any of its range in others.
void RandomSampling(Random& random, common::v1::SamplingOptions* sampling) {
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
  sampling->set_max_tokens(1 + UpTo(random, 20));
  if (Chance(random, 0.3)) {
    sampling->set_min_tokens(UpTo(random, sampling->max_tokens()));
  }
  for (int stops = Chance(random, 0.2) ? 3 : 0; stops > 0; --stops) {
    sampling->add_stop_token_ids(UpTo(random, 300));
  }
  if (Chance(random, 0.5)) sampling->set_ignore_eos(true);
  if (Chance(random, 0.3)) sampling->set_top_logprobs(UpTo(random, 5));
}

pb::GenerateRequest RandomRequest(std::uint64_t seed) {
  Random random(seed);
  pb::GenerateRequest request;
  request.set_prompt(RandomPrompt(random));
  RandomSampling(random, request.mutable_sampling());
  if (Chance(random, 0.2)) request.add_stop("e");
  auto* speculation = request.mutable_speculation();
  speculation->set_node_budget(UpTo(random, 16));
  speculation->set_matrix_scope(Chance(random, 0.5) ? common::v1::MATRIX_SCOPE_REQUEST
                                                    : common::v1::MATRIX_SCOPE_TENANT);
  if (Chance(random, 0.3)) speculation->set_learn_from_prompt(true);
  return request;
}

// A drafter, its gateway, and why its drafts are not used; UNSPECIFIED: they are.
struct Mode {
  std::string name;
  pb::FallbackReason reason;
  std::string gateway;
  bool may_draft = false;  // or not: what steps cost on this machine decides
  std::atomic<std::uint64_t> drafted_steps = 0;
  std::atomic<std::uint64_t> fallbacks = 0;
};

class LosslessTest : public testing::Test {
 protected:
  void StartAll(const std::string& model) {
    const std::string verifier = cluster_.Start(
        "recycling-verifier", {"--model=" + model, "--max_sequences=16", "--threads=2"});
    const auto add = [&](const char* name, pb::FallbackReason reason, const std::string& drafter,
                         int draft_deadline_ms, const char* speculation = "fixed") {
      auto& mode = *modes_.emplace_back(std::make_unique<Mode>());
      mode.name = name;
      mode.reason = reason;
      mode.gateway =
          cluster_.StartGateway(verifier, drafter,
                                {"--draft_deadline_ms=" + std::to_string(draft_deadline_ms),
                                 std::string("--speculation=") + speculation});
      mode.may_draft = std::string_view(speculation) == "auto";
    };
    const auto fake = [&](const std::string& mode) {
      return cluster_.Start("recycling-fake-drafter", {"--any_model", "--mode=" + mode});
    };
    add("drafting", pb::FALLBACK_REASON_UNSPECIFIED, cluster_.Start("recycling-drafter", {}),
        60'000);
    add("automatic", pb::FALLBACK_REASON_UNSPECIFIED, cluster_.Start("recycling-drafter", {}),
        60'000, "auto");
    add("stranger", pb::FALLBACK_REASON_UNSPECIFIED, fake("ok"), 60'000);
    add("garbage", pb::FALLBACK_REASON_MALFORMED, fake("garbage"), 60'000);
    add("stale", pb::FALLBACK_REASON_STALE, fake("stale"), 60'000);
    add("error", pb::FALLBACK_REASON_ERROR, fake("error"), 60'000);
    add("silent", pb::FALLBACK_REASON_TIMEOUT, fake("silent"), 2);
  }

  void Check(std::uint64_t seed) {
    pb::GenerateRequest request = RandomRequest(seed);
    for (const auto& mode : modes_) {
      const Output output = Generate(Connect(mode->gateway), request);
      mode->drafted_steps += output.final.speculation().drafted_steps();
      mode->fallbacks += output.Fallbacks(mode->reason);
      pb::GenerateRequest plain_request = request;
      plain_request.mutable_speculation()->set_mode(pb::SPECULATION_MODE_OFF);
      if (mode == modes_.front()) plain_[seed] = Generate(Connect(mode->gateway), plain_request);
      const Output& plain = plain_[seed];
      EXPECT_TRUE(plain.status.ok()) << plain.ForPeople();
      EXPECT_TRUE(output.SameTokens(plain))
          << mode->name << " differs for\n"
          << request.DebugString() << "drafted: " << output.ForPeople()
          << "plain: " << plain.ForPeople();
    }
  }

  // Requests [0, count), a few at a time.
  void CheckAll(std::uint64_t count) {
    plain_.resize(count);
    std::atomic<std::uint64_t> next = 0;
    std::vector<std::thread> workers;
    for (int i = 0; i < 4; ++i) {
      workers.emplace_back([&] {
        for (std::uint64_t seed = next++; seed < count; seed = next++) Check(seed);
      });
    }
    for (auto& worker : workers) worker.join();

    // No mode passes for want of what it is here for.
    for (const auto& mode : modes_) {
      const bool drafts = mode->reason == pb::FALLBACK_REASON_UNSPECIFIED;
      if (!mode->may_draft) {
        EXPECT_EQ(mode->drafted_steps > 0, drafts) << mode->name;
      }
      EXPECT_EQ(mode->fallbacks > 0, !drafts) << mode->name;
    }
    const auto distinct = [&] {
      std::set<std::string> texts;
      for (const Output& output : plain_) texts.insert(output.text);
      return texts.size();
    };
    EXPECT_GT(distinct(), count / 2) << "the requests are too much alike";
  }

  Cluster cluster_;
  std::vector<std::unique_ptr<Mode>> modes_;
  std::vector<Output> plain_;  // by seed
};

TEST_F(LosslessTest, RandomRequestsOnARandomModel) {
  StartAll(TinyModel(cluster_.folder().path()));
  CheckAll(200);
}

#ifdef RECYCLING_DEFAULT_MODEL  // a tree that has one
TEST_F(LosslessTest, RandomRequestsOnTheDefaultModel) {
  StartAll(RECYCLING_DEFAULT_MODEL);
  // RECYCLING_LOSSLESS_REQUESTS=200 takes minutes.
  const char* count = std::getenv("RECYCLING_LOSSLESS_REQUESTS");
  CheckAll(count == nullptr ? 8 : std::strtoull(count, nullptr, 10));
}
#endif

}  // namespace
}  // namespace recycling::integration
