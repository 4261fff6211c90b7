// Checks that lost verifiers do not change the tokens, text, log-probabilities, finish reason and
// step statistics of a request.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "gateway/loop/decode_loop.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/fake_drafter_client.h"
#include "tests/doubles/fake_verifier_client.h"
#include "tests/doubles/fake_verifier_directory.h"
#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using doubles::VerifierFault;
using ::testing::HasSubstr;

class OneDrafter : public DrafterDirectory {
 public:
  absl::StatusOr<std::shared_ptr<DrafterClient>> Pick(const std::string&, MatrixScope) override {
    return drafter;
  }
  void Report(const std::string&, const absl::Status&) override {}
  bool Judge(const std::string&, const absl::Status&) override { return true; }
  std::shared_ptr<DrafterClient> drafter;
};

struct Output {
  DecodeOutcome outcome;
  OutputDelta all;
};

// An entry of `fail_at` is the number of a step, or one of these values.
constexpr int kAtOpen = -1;   // the verifier fails in Open
constexpr int kNever = 1000;  // the verifier does not fail

class DecodeLoopFailoverTest : public ::testing::Test {
 protected:
  // Runs `request` with one verifier for each entry of `fail_at`, and a last one that works. The
  // entry is the step at which the verifier fails.
  Output Run(const DecodeRequest& request, std::vector<int> fail_at,
             VerifierFault fault = VerifierFault::kDropped) {
    doubles::FakeClock clock;
    doubles::FakeVerifierDirectory verifiers(clock);
    fail_at.push_back(kNever);
    for (std::size_t i = 0; i < fail_at.size(); ++i) {
      const int step = fail_at[i];
      doubles::FakeVerifierOptions options{.model = model_, .address = "v" + std::to_string(i)};
      if (step == kAtOpen) options.open_error = absl::UnavailableError("died");
      options.fault = [step, fault](std::uint64_t at) {
        return at == static_cast<std::uint64_t>(step) ? fault : VerifierFault::kNone;
      };
      verifiers.clients.push_back(std::make_shared<doubles::FakeVerifierClient>(options));
    }
    OneDrafter drafters;
    drafters.drafter = std::make_shared<doubles::FakeDrafterClient>(
        doubles::FakeDrafterOptions{.model = model_, .acceptance_rate = 0.6, .clock = &clock});
    RetryBudget budget;
    DraftLedger ledger;
    DecodeLoop loop(request,
                    {.verifier = verifiers.clients.front(),
                     .moves = {verifiers, budget, clock, {.max_moves = 10}},
                     .drafters = drafters,
                     .ledger = ledger,
                     .clock = clock,
                     .token_bytes = [](TokenId id) { return "<" + std::to_string(id) + ">"; },
                     .draft_deadline = absl::Milliseconds(20)});
    Output output;
    output.outcome = loop.Run([&output](OutputDelta delta) {
      output.all.text += delta.text;
      output.all.tokens.insert(output.all.tokens.end(), delta.tokens.begin(), delta.tokens.end());
      output.all.logprobs.insert(output.all.logprobs.end(), delta.logprobs.begin(),
                                 delta.logprobs.end());
    });
    for (const auto& client : verifiers.clients) {
      const auto& fake = static_cast<const doubles::FakeVerifierClient&>(*client);
      EXPECT_EQ(fake.open_sequences(), 0) << client->address();
    }
    return output;
  }

  // Expects that `got` equals `expected`, except that it has `moves` moves.
  static void ExpectSame(const Output& got, const Output& expected, std::uint64_t moves) {
    ASSERT_THAT(got.outcome.status, IsOk());
    EXPECT_EQ(got.all, expected.all);
    EXPECT_EQ(got.outcome.finish, expected.outcome.finish);
    EXPECT_EQ(got.outcome.completion_tokens, expected.outcome.completion_tokens);
    SpeculationStats stats = got.outcome.speculation;
    EXPECT_EQ(stats.moves, moves);
    stats.moves = stats.retries = 0;
    stats.moving = absl::ZeroDuration();
    EXPECT_EQ(stats, expected.outcome.speculation);
  }

  const std::shared_ptr<const doubles::ToyModel> model_ = std::make_shared<doubles::ToyModel>();
};

// Requests with greedy and sampled decoding, penalties and log-probabilities, with and without
// drafts.
std::vector<DecodeRequest> Requests() {
  std::vector<DecodeRequest> requests;
  for (const Speculation speculation :
       {Speculation::kOff, Speculation::kAuto, Speculation::kFixed}) {
    for (const float temperature : {0.0f, 0.8f}) {
      requests.push_back({.prompt_ids = {5, 6, 7, 8},
                          .sampling = {.temperature = temperature,
                                       .repetition_penalty = 1.1f,
                                       .frequency_penalty = 0.3f,
                                       .presence_penalty = 0.2f,
                                       .seed = 11,
                                       .min_tokens = 12,
                                       .top_logprobs = 2},
                          .max_tokens = 24,
                          .speculation = speculation,
                          .node_budget = 6,
                          .learn_last = 3});
    }
  }
  return requests;
}

TEST_F(DecodeLoopFailoverTest, LosingAVerifierAtAnyStepChangesNothing) {
  for (const DecodeRequest& request : Requests()) {
    const Output expected = Run(request, {});
    ASSERT_THAT(expected.outcome.status, IsOk());
    ASSERT_EQ(expected.all.tokens.size(), 24u);
    const int steps = static_cast<int>(expected.outcome.speculation.steps);
    ASSERT_GT(steps, 2);
    for (int step = 0; step < steps; ++step) {
      SCOPED_TRACE(testing::Message() << "step " << step << " of " << steps << ", speculation "
                                      << static_cast<int>(request.speculation));
      ExpectSame(Run(request, {step}), expected, 1);
    }
  }
}

TEST_F(DecodeLoopFailoverTest, BreakingTheProtocolAtAnyStepChangesNothing) {
  for (const DecodeRequest& request : Requests()) {
    const Output expected = Run(request, {});
    for (const VerifierFault fault : {VerifierFault::kError, VerifierFault::kWrongStep,
                                      VerifierFault::kNoTokens, VerifierFault::kUnknownToken}) {
      ExpectSame(Run(request, {2}, fault), expected, 1);
    }
  }
}

TEST_F(DecodeLoopFailoverTest, LosingSeveralVerifiersChangesNothing) {
  for (const DecodeRequest& request : Requests()) {
    const Output expected = Run(request, {});
    ExpectSame(Run(request, {kAtOpen}), expected, 0);
    ExpectSame(Run(request, {kAtOpen, kAtOpen, 1}), expected, 1);
    ExpectSame(Run(request, {1, 1, 1, 0, 0, 1, kAtOpen}), expected, 6);
  }
}

TEST_F(DecodeLoopFailoverTest, AStopStringMatchesAcrossAMove) {
  DecodeRequest request = Requests().front();
  const Output whole = Run(request, {});
  const std::string stop = std::to_string(whole.all.tokens[3]) + "><" +
                           std::to_string(whole.all.tokens[4]) + "><" +
                           std::to_string(whole.all.tokens[5]);
  request.stop = {stop};
  const Output expected = Run(request, {});
  ASSERT_EQ(expected.outcome.finish.reason, FinishReason::kStopString);
  for (int step = 3; step < 6; ++step) ExpectSame(Run(request, {step}), expected, 1);
}

TEST_F(DecodeLoopFailoverTest, TheTimeOfAMoveIsMeasuredSeparately) {
  doubles::FakeClock clock;
  doubles::FakeVerifierDirectory verifiers(clock);
  const auto on_call = [&clock](const std::string& call) {
    if (call == "verifier.open") clock.Advance(absl::Milliseconds(7));
    if (call.starts_with("verifier.verify")) clock.Advance(absl::Milliseconds(3));
  };
  for (const char* address : {"a", "b"}) {
    doubles::FakeVerifierOptions options{.address = address, .on_call = on_call};
    if (options.address == "a") {
      options.fault = [](std::uint64_t step) {
        return step == 2 ? VerifierFault::kDropped : VerifierFault::kNone;
      };
    }
    verifiers.clients.push_back(std::make_shared<doubles::FakeVerifierClient>(options));
  }
  OneDrafter drafters;
  RetryBudget budget;
  DraftLedger ledger;
  DecodeLoop loop({.prompt_ids = {5, 6}, .max_tokens = 4, .speculation = Speculation::kOff},
                  {.verifier = verifiers.clients.front(),
                   .moves = {verifiers, budget, clock, {}},
                   .drafters = drafters,
                   .ledger = ledger,
                   .clock = clock,
                   .token_bytes = [](TokenId) { return ""; },
                   .draft_deadline = absl::Milliseconds(20)});
  const DecodeOutcome outcome = loop.Run([](OutputDelta) {});
  ASSERT_THAT(outcome.status, IsOk());
  EXPECT_EQ(outcome.verifier, "b");
  EXPECT_EQ(outcome.timings.prefill, absl::Milliseconds(7));
  EXPECT_EQ(outcome.speculation.moving, absl::Milliseconds(7));
  // Three answered steps and the lost step, for which the loop also waited.
  EXPECT_EQ(outcome.timings.verify, absl::Milliseconds(15));
  EXPECT_EQ(outcome.timings.decode, absl::Milliseconds(15));
}

}  // namespace
}  // namespace recycling::gateway
