#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/doubles/fake_drafter_client.h"
#include "tests/doubles/fake_verifier_client.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/toy_model.h"

namespace recycling::doubles {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Time kNoDeadline = absl::InfiniteFuture();

struct Output {
  std::vector<TokenId> tokens;
  int steps = 0;
};

// A simple form of the gateway's decode loop: drafts and verifies until it has `count` tokens.
Output Generate(FakeVerifierClient& verifier, FakeDrafterClient* drafter,
                const SamplingOptions& sampling, std::size_t count) {
  const std::vector<TokenId> prompt = {5, 6, 7};
  auto sequence = verifier.NewSession(kNoDeadline, {});
  auto drafts =
      drafter == nullptr ? nullptr : drafter->NewSession({.tenant = "default"}, kNoDeadline, {});
  auto opened = sequence->Open({.prompt_ids = prompt, .sampling = sampling});
  EXPECT_THAT(opened, IsOk());
  Output output;
  TokenId root = prompt.back();
  std::uint32_t base = opened->base;
  while (output.tokens.size() < count) {
    const auto step = static_cast<std::uint64_t>(output.steps);
    gateway::VerifyStep verify{.step = step, .base = base};
    if (drafts != nullptr) {
      drafts->Send({.step = step,
                    .proposal = gateway::Proposal{
                        .base = base, .root = root, .max_nodes = 16, .max_depth = 4}});
      auto answer = drafts->Receive(step, absl::Milliseconds(1));
      if (answer.ok() && ValidateTree(answer->tree, 320, 16).ok() &&
          answer->tree.tokens[0] == root) {
        verify.tree = answer->tree;
      }
    }
    const auto verified = sequence->Verify(verify);
    EXPECT_THAT(verified, IsOk());
    if (!verified.ok()) return output;
    output.tokens.insert(output.tokens.end(), verified->tokens.begin(), verified->tokens.end());
    base += static_cast<std::uint32_t>(verified->tokens.size());
    root = verified->tokens.back();
    ++output.steps;
  }
  output.tokens.resize(count);
  return output;
}

FakeDrafterClient DrafterOfRate(double rate) {
  return FakeDrafterClient({.acceptance_rate = rate, .seed = 3});
}

TEST(ToyModelTest, TopKIsSortedAndBeginsWithTheGreedyChoice) {
  const ToyModel model;
  for (std::uint32_t position = 0; position < 4; ++position) {
    const auto logits = model.Logits(300, position);
    const auto top = model.TopK(300, position, 8);
    ASSERT_THAT(top, SizeIs(8));
    EXPECT_EQ(top[0], model.Choose(300, position, {}, 0));
    for (std::size_t i = 1; i < top.size(); ++i) EXPECT_GE(logits[top[i - 1]], logits[top[i]]);
  }
}

TEST(ToyModelTest, DependsOnTokenPositionAndVariant) {
  const ToyModel model;
  EXPECT_NE(model.TopK(300, 0, 8), model.TopK(301, 0, 8));
  EXPECT_NE(model.TopK(300, 0, 8), model.TopK(300, 1, 8));
  EXPECT_EQ(model.TopK(300, 0, 8), model.TopK(300, 3, 8));
  EXPECT_NE(model.TopK(300, 0, 8), ToyModel({.variant = 1}).TopK(300, 0, 8));
}

TEST(ToyModelTest, SamplesOneOfTheTopTokensBySeedAndPositionOnly) {
  const ToyModel model;
  SamplingOptions options{.temperature = 1, .top_k = 2, .seed = 7};
  const auto top = model.TopK(300, 5, 2);
  std::set<TokenId> seen;
  for (std::uint64_t seed = 0; seed < 32; ++seed) {
    options.seed = seed;
    const TokenId chosen = model.Choose(300, 5, options, 0);
    EXPECT_EQ(chosen, model.Choose(300, 5, options, 9));
    seen.insert(chosen);
  }
  EXPECT_THAT(seen, ::testing::UnorderedElementsAreArray(top));
}

TEST(ToyModelTest, FollowsScriptBiasAndMinTokens) {
  const ToyModel model({.script = {{3, 270}, {4, 2}}});
  EXPECT_THAT(model.Continue({5, 6, 7}, 2), ElementsAre(270, 2));
  EXPECT_EQ(model.Choose(5, 9, {.logit_bias = {{17, 100}}}, 0), 17u);
  EXPECT_NE(model.Choose(5, 3, {.min_tokens = 2}, 1), 2u);
  EXPECT_EQ(model.Choose(5, 3, {.min_tokens = 2}, 2), 2u);
}

TEST(ToyModelTest, ItsTokenizerEncodesAnyTextAndDecodesToWords) {
  const auto tokenizer = Tokenizer::Create(ToyModel().MakeTokenizerData());
  ASSERT_THAT(tokenizer, IsOk());
  EXPECT_EQ((*tokenizer)->vocab_size(), 320u);
  const auto ids = (*tokenizer)->Encode("Any text, \xE2\x82\xAC", {.add_special = true});
  ASSERT_THAT(ids, IsOk());
  EXPECT_EQ(ids->front(), 1u);
  EXPECT_THAT((*tokenizer)->Decode(*ids, false), IsOkAndHolds("Any text, \xE2\x82\xAC"));
  EXPECT_EQ((*tokenizer)->TokenBytes(260), " ba");
  EXPECT_THAT(ToyModel().EndOfSequenceIds(), (*tokenizer)->EndOfSequenceIds());
}

TEST(FakesTest, DraftingChangesNoToken) {
  FakeVerifierClient verifier;
  for (const SamplingOptions& sampling :
       {SamplingOptions{}, SamplingOptions{.temperature = 1, .seed = 11},
        SamplingOptions{.logit_bias = {{300, 0.5f}}}}) {
    const auto plain = Generate(verifier, nullptr, sampling, 40);
    EXPECT_EQ(plain.steps, 40);
    for (const double rate : {0.0, 0.5, 1.0}) {
      FakeDrafterClient drafter = DrafterOfRate(rate);
      EXPECT_EQ(Generate(verifier, &drafter, sampling, 40).tokens, plain.tokens) << rate;
    }
  }
  EXPECT_EQ(verifier.open_sequences(), 0);
}

TEST(FakesTest, AcceptanceRateDecidesTheNumberOfSteps) {
  FakeVerifierClient verifier;
  FakeDrafterClient never = DrafterOfRate(0), half = DrafterOfRate(0.5), always = DrafterOfRate(1);
  EXPECT_EQ(Generate(verifier, &never, {}, 40).steps, 40);
  EXPECT_EQ(Generate(verifier, &always, {}, 40).steps, 8);  // depth 4 and the bonus token
  const int steps = Generate(verifier, &half, {}, 40).steps;
  EXPECT_GT(steps, 8);
  EXPECT_LT(steps, 40);
}

TEST(FakesTest, OneTraceShowsDraftBeforeVerifyBeforeUpdate) {
  auto trace = std::make_shared<CallTrace>();
  std::vector<std::string> hooked;
  FakeVerifierClient verifier({.trace = trace});
  FakeDrafterClient drafter(
      {.trace = trace, .on_call = [&](const std::string& call) { hooked.push_back(call); }});
  {
    auto sequence = verifier.NewSession(kNoDeadline, {});
    auto drafts = drafter.NewSession({.tenant = "default"}, kNoDeadline, {});
    const auto opened = sequence->Open({.prompt_ids = {5}});
    drafts->Send({.step = 0, .proposal = gateway::Proposal{.base = 1, .root = 5}});
    ASSERT_THAT(drafts->Receive(0, {}), IsOk());
    ASSERT_THAT(sequence->Verify({.step = 0, .base = opened->base}), IsOk());
    drafts->Send({.step = 1, .observation = gateway::Observation{}});
  }
  EXPECT_THAT(trace->Calls(), ElementsAre("verifier.session", "drafter.session", "verifier.open",
                                          "drafter.propose 0", "verifier.verify 0",
                                          "drafter.observe 1", "drafter.close", "verifier.close"));
  EXPECT_THAT(hooked, ElementsAre("drafter.session", "drafter.propose 0", "drafter.observe 1",
                                  "drafter.close"));
}

TEST(FakeVerifierTest, ReturnsCandidatesAndLogprobsIfAsked) {
  const ToyModel model;
  FakeVerifierClient verifier({.k = 4});
  auto sequence = verifier.NewSession(kNoDeadline, {});
  const auto opened =
      sequence->Open({.prompt_ids = {5, 6, 7}, .sampling = {.top_logprobs = 2}, .learn_last = 1});
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->prompt_candidates, (Candidates{.k = 4, .ids = model.TopK(6, 1, 4)}));
  const auto verified = sequence->Verify({.step = 0, .base = 3});
  ASSERT_THAT(verified, IsOk());
  EXPECT_EQ(verified->candidates, (Candidates{.k = 4, .ids = model.TopK(7, 2, 4)}));
  ASSERT_THAT(verified->logprobs, SizeIs(1));
  EXPECT_EQ(verified->logprobs[0].token, verified->tokens[0]);
  EXPECT_EQ(verified->logprobs[0].top[0].first, verified->tokens[0]);
  EXPECT_LT(verified->logprobs[0].logprob, 0);
}

TEST(FakeVerifierTest, StopsAtEndOfSequenceInsideAnAcceptedRun) {
  const auto model = std::make_shared<ToyModel>(ToyModelOptions{.script = {{3, 2}}});
  FakeVerifierClient verifier({.model = model});
  auto sequence = verifier.NewSession(kNoDeadline, {});
  ASSERT_THAT(sequence->Open({.prompt_ids = {5, 6}}), IsOk());
  const auto tree =
      FakeDraft({.model = model}, 0, {.base = 2, .root = 6, .max_nodes = 16, .max_depth = 4},
                DraftFault::kNone);
  const auto verified = sequence->Verify({.step = 0, .base = 2, .tree = tree});
  ASSERT_THAT(verified, IsOk());
  EXPECT_THAT(verified->tokens, SizeIs(2));
  EXPECT_EQ(verified->tokens.back(), 2u);
  EXPECT_THAT(verified->accepted_nodes, SizeIs(1));
}

TEST(FakeVerifierTest, RefusesTheRequestsThatARealVerifierRefuses) {
  FakeVerifierClient verifier({.context_length = 8, .max_sequences = 1});
  const auto open = [&](const gateway::OpenSequence& what) {
    return verifier.NewSession(kNoDeadline, {})->Open(what).status();
  };
  EXPECT_THAT(open({}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(open({.prompt_ids = {320}}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(open({.prompt_ids = std::vector<TokenId>(9)}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(open({.prompt_ids = {1}, .sampling = {.temperature = 1}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("seed")));
  EXPECT_THAT(open({.prompt_ids = {1}, .sampling = {.top_p = 2}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("top_p")));

  auto sequence = verifier.NewSession(kNoDeadline, {});
  EXPECT_THAT(sequence->Verify({.base = 1}), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(sequence->Open({.prompt_ids = {1, 2}}), IsOk());
  EXPECT_THAT(open({.prompt_ids = {1}}), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(sequence->Verify({.base = 3}), StatusIs(absl::StatusCode::kFailedPrecondition));
  const gateway::Proposal proposal{.base = 2, .root = 2, .max_nodes = 80, .max_depth = 6};
  for (const DraftFault fault :
       {DraftFault::kNoTree, DraftFault::kCycle, DraftFault::kUnknownToken,
        DraftFault::kTooManyNodes, DraftFault::kTwins, DraftFault::kWrongRoot,
        DraftFault::kNegativeParent, DraftFault::kLengthsDiffer}) {
    const auto tree = FakeDraft({}, 0, proposal, fault);
    EXPECT_THAT(sequence->Verify({.base = 2, .tree = tree}),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << static_cast<int>(fault);
  }
  const auto stale = FakeDraft({}, 0, proposal, DraftFault::kStale);
  const auto verified = sequence->Verify({.base = 2, .tree = stale});
  ASSERT_THAT(verified, IsOk());
  EXPECT_TRUE(verified->draft_ignored);
  EXPECT_THAT(verified->tokens, SizeIs(1));
}

TEST(FakeVerifierTest, FailsAtTheChosenStep) {
  VerifierFault fault = VerifierFault::kNone;
  FakeVerifierClient verifier(
      {.fault = [&](std::uint64_t step) { return step == 1 ? fault : VerifierFault::kNone; }});
  const auto second = [&](VerifierFault which, absl::Time deadline) {
    fault = which;
    auto sequence = verifier.NewSession(deadline, {});
    EXPECT_THAT(sequence->Open({.prompt_ids = {1}}), IsOk());
    EXPECT_THAT(sequence->Verify({.step = 0, .base = 1}), IsOk());
    return sequence->Verify({.step = 1, .base = 2});
  };
  EXPECT_THAT(second(VerifierFault::kError, kNoDeadline), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(second(VerifierFault::kDropped, kNoDeadline),
              StatusIs(absl::StatusCode::kUnavailable, kStreamDropped));
  EXPECT_THAT(second(VerifierFault::kSilent, absl::Now()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(second(VerifierFault::kWrongStep, kNoDeadline)->step, 2u);
  EXPECT_THAT(second(VerifierFault::kNoTokens, kNoDeadline)->tokens, IsEmpty());
  EXPECT_THAT(second(VerifierFault::kUnknownToken, kNoDeadline)->tokens, ElementsAre(320));
  EXPECT_EQ(verifier.open_sequences(), 0);
}

TEST(FakeVerifierTest, CancelEndsASilentStep) {
  FakeVerifierClient verifier({.fault = [](std::uint64_t) { return VerifierFault::kSilent; }});
  auto sequence = verifier.NewSession(kNoDeadline, {});
  ASSERT_THAT(sequence->Open({.prompt_ids = {1}}), IsOk());
  std::thread canceller([&] { sequence->Cancel(); });
  EXPECT_THAT(sequence->Verify({.base = 1}), StatusIs(absl::StatusCode::kCancelled));
  canceller.join();
}

TEST(FakeDrafterTest, DraftsValidTreesWithinTheLimits) {
  for (const int max_nodes : {0, 1, 3, 80}) {
    for (const int max_depth : {0, 1, 6}) {
      const auto tree =
          FakeDraft({.children = 3}, 0,
                    {.base = 9, .root = 4, .max_nodes = max_nodes, .max_depth = max_depth},
                    DraftFault::kNone);
      EXPECT_THAT(ValidateTree(tree, 320, max_nodes), IsOk());
      EXPECT_THAT(NodeDepths(tree), Each(::testing::Le(max_depth)));
      EXPECT_EQ(tree.drafted(), std::min(max_nodes, 3 * max_depth));
    }
  }
}

TEST(FakeDrafterTest, FailsAtTheChosenStepAndStaysBrokenAfterAnError) {
  FakeClock clock(absl::UnixEpoch());
  DraftFault fault = DraftFault::kNone;
  FakeDrafterClient drafter({.fault = [&](std::uint64_t) { return fault; }, .clock = &clock});
  const auto receive = [&](DraftFault which) {
    fault = which;
    auto session = drafter.NewSession({.tenant = "default"}, kNoDeadline, {});
    session->Send({.step = 0, .proposal = gateway::Proposal{.base = 1}});
    const auto first = session->Receive(0, absl::Milliseconds(20));
    fault = DraftFault::kNone;
    session->Send({.step = 1, .proposal = gateway::Proposal{.base = 1}});
    const bool usable = which == DraftFault::kSilent;
    EXPECT_EQ(session->Receive(1, absl::Milliseconds(20)).ok(), usable);
    return first;
  };
  EXPECT_THAT(receive(DraftFault::kError), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(receive(DraftFault::kMismatch), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(receive(DraftFault::kDropped), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(clock.Monotonic(), absl::ZeroDuration());
  EXPECT_THAT(receive(DraftFault::kSilent), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(clock.Monotonic(), absl::Milliseconds(20));
}

}  // namespace
}  // namespace recycling::doubles
