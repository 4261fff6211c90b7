// Checks that drafts do not change the output, with random sampling options. Sends random requests
// to gateways whose drafters give good, wrong, stale, malformed or no drafts, or errors. One
// drafter has a base matrix, and for each draft source there is one that has this source alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <set>
#include <thread>

#include "tests/integration/cluster.h"
#include "tests/integration/models.h"
#include "tests/integration/random_request.h"
#include "tests/integration/subprocess.h"

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;

constexpr std::uint32_t kLongest = 21;  // most tokens of an output

// A gateway with its own drafter. `reason` says why the gateway cannot use the drafts. UNSPECIFIED
// means that it uses them.
struct Mode {
  std::string name;
  pb::FallbackReason reason;
  std::string gateway;
  bool may_draft = false;  // the gateway decides by the speed of this machine whether to draft
  std::atomic<std::uint64_t> drafted_steps = 0;
  std::atomic<std::uint64_t> fallbacks = 0;
};

class LosslessTest : public ::testing::Test {
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
    // One process, whose parts call each other without gRPC.
    for (const char* speculation : {"fixed", "auto"}) {
      auto& mode = *modes_.emplace_back(std::make_unique<Mode>());
      mode.name = std::string("standalone ") + speculation;
      mode.reason = pb::FALLBACK_REASON_UNSPECIFIED;
      mode.gateway = cluster_.Start("recycling-standalone",
                                    {"--model=" + model, "--max_sequences=16", "--threads=2",
                                     std::string("--speculation=") + speculation});
      mode.may_draft = std::string_view(speculation) == "auto";
    }
    const std::string base = cluster_.folder().path() + "/base_matrix";
    const testing::ProcessResult filled =
        testing::Subprocess("recycling",
                            {"matrix", "fill", "--verifier=" + verifier, "--out=" + base})
            .Wait();
    ASSERT_EQ(filled.exit_code, 0) << filled.err;
    add("base matrix", pb::FALLBACK_REASON_UNSPECIFIED,
        cluster_.Start("recycling-drafter", {"--base_matrix=" + base}), 60'000, "full");
    for (const char* source : {"pairs", "matrix", "history", "recent"}) {
      add(source, pb::FALLBACK_REASON_UNSPECIFIED,
          cluster_.Start("recycling-drafter", {std::string("--draft_sources=") + source}), 60'000,
          "full");
    }
    add("stranger", pb::FALLBACK_REASON_UNSPECIFIED, fake("ok"), 60'000);
    add("garbage", pb::FALLBACK_REASON_MALFORMED, fake("garbage"), 60'000);
    add("stale", pb::FALLBACK_REASON_STALE, fake("stale"), 60'000);
    add("error", pb::FALLBACK_REASON_ERROR, fake("error"), 60'000);
    add("silent", pb::FALLBACK_REASON_TIMEOUT, fake("silent"), 2);
  }

  void Check(std::uint64_t seed) {
    pb::GenerateRequest request = RandomRequest(seed, kLongest);
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

  // Checks requests with the seeds 0 to count - 1, four at a time.
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

    // Each gateway must have drafted, or must have counted the fallbacks of its mode.
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
    EXPECT_GT(distinct(), count / 2) << "too many requests gave the same text";
  }

  Cluster cluster_;
  std::vector<std::unique_ptr<Mode>> modes_;
  std::vector<Output> plain_;  // by seed
};

TEST_F(LosslessTest, RandomRequestsOnARandomModel) {
  StartAll(TinyModel(cluster_.folder().path()));
  CheckAll(200);
}

// The window of 20 positions is shorter than most sequences. qwen2 rotates halves and has biases.
TEST_F(LosslessTest, RandomRequestsOnAModelWithWindows) {
  StartAll(TinyModel(cluster_.folder().path(), "gemma3"));
  CheckAll(40);
}

TEST_F(LosslessTest, RandomRequestsOnAMixture) {
  StartAll(TinyModel(cluster_.folder().path(), "qwen3moe"));
  CheckAll(40);
}

TEST_F(LosslessTest, RandomRequestsOnAModelWithBiases) {
  StartAll(TinyModel(cluster_.folder().path(), "qwen2"));
  CheckAll(40);
}

#ifdef RECYCLING_DEFAULT_MODEL
TEST_F(LosslessTest, RandomRequestsOnTheDefaultModel) {
  StartAll(RECYCLING_DEFAULT_MODEL);
  // RECYCLING_LOSSLESS_REQUESTS=200 takes minutes.
  const char* count = std::getenv("RECYCLING_LOSSLESS_REQUESTS");
  CheckAll(count == nullptr ? 8 : std::strtoull(count, nullptr, 10));
}
#endif

}  // namespace
}  // namespace recycling::integration
