#include "verifier/schedule/pass_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <random>
#include <utility>

#include "tests/doubles/matchers.h"
#include "tests/verifier/forward/random_tree.h"
#include "tests/verifier/schedule/fake_transformer.h"
#include "verifier/sampling/top_k.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::uint32_t kVocab = 32;
constexpr std::uint32_t kContext = 64;
constexpr TokenId kEos = 31;

class PassRunnerTest : public ::testing::Test {
 protected:
  // Returns a sequence with `prompt`, before its prefill.
  std::unique_ptr<SequenceState> NewSequence(const std::vector<TokenId>& prompt,
                                             const SamplingOptions& sampling = IgnoreEos()) {
    auto state = std::make_unique<SequenceState>();
    state->rules = *SamplingRules::Create(sampling, options_.eos_ids, kVocab);
    state->prompt_size = prompt.size();
    state->tokens = prompt;
    state->kv = *cache_->Open();
    return state;
  }

  OpenResult Prefill(SequenceState& state) {
    OpenResult result;
    while (!state.prefilled()) {
      const PassPart part = {.state = &state,
                             .chunk_rows = std::min(state.unfilled(), options_.prefill_chunk)};
      EXPECT_THAT(runner_.Forward({&part, 1}, nullptr), IsOk());
      EXPECT_THAT(runner_.FinishChunk(0, result), IsOk());
    }
    return result;
  }

  std::unique_ptr<SequenceState> Open(const std::vector<TokenId>& prompt,
                                      const SamplingOptions& sampling = IgnoreEos()) {
    auto state = NewSequence(prompt, sampling);
    Prefill(*state);
    return state;
  }

  absl::StatusOr<StepResult> Verify(SequenceState& state, VerifyStep step) {
    auto checked = CheckStep(state, std::move(step), options_, kContext);
    if (!checked.ok()) return checked.status();
    const PassPart part = {.state = &state, .tree = &checked->tree};
    if (absl::Status status = runner_.Forward({&part, 1}, nullptr); !status.ok()) return status;
    auto result = runner_.FinishStep(0);
    if (result.ok()) result->draft_ignored = checked->draft_ignored;
    return result;
  }

  // Decodes until `count` more tokens are emitted, and returns them. If `trees` is null, every step
  // is plain.
  using Trees = std::function<DraftTree(const std::vector<TokenId>& so_far)>;
  std::vector<TokenId> Generate(SequenceState& state, std::size_t count, const Trees& trees) {
    const std::size_t before = state.tokens.size();
    while (state.tokens.size() < before + count) {
      VerifyStep step{.base = state.base()};
      if (trees != nullptr) step.tree = trees(state.tokens);
      const auto result = Verify(state, std::move(step));
      if (!result.ok()) {
        ADD_FAILURE() << result.status();
        return {};
      }
    }
    const auto begin = state.tokens.begin() + static_cast<std::ptrdiff_t>(before);
    return {begin, begin + static_cast<std::ptrdiff_t>(count)};
  }

  std::vector<TokenId> PlainTokens(const std::vector<TokenId>& prompt, std::size_t count) {
    return Generate(*Open(prompt), count, nullptr);
  }

  static SamplingOptions IgnoreEos() {
    SamplingOptions sampling;
    sampling.ignore_eos = true;
    return sampling;
  }

  const SchedulerOptions options_ = {
      .vocab_size = kVocab, .eos_ids = {kEos}, .k = 4, .max_tree_nodes = 16, .prefill_chunk = 4};
  std::vector<int> pass_rows_;   // [passes], number of rows
  std::vector<int> logit_rows_;  // [passes], number of rows with logits
  std::unique_ptr<KvCache> cache_ = FakeKvCache(kContext, 8);
  FakeTransformer transformer_{kVocab, kContext,
                               [this](std::span<const Segment> segments, const std::atomic<bool>*) {
                                 const Segment& segment = segments[0];
                                 pass_rows_.push_back(static_cast<int>(segment.tokens.size()));
                                 logit_rows_.push_back(static_cast<int>(segment.logit_rows.size()));
                                 return absl::OkStatus();
                               }};
  PassRunner runner_{transformer_, options_};
};

DraftTree Chain(const std::vector<TokenId>& so_far, const std::vector<TokenId>& drafts) {
  DraftTree tree = DraftTree::Root(static_cast<std::uint32_t>(so_far.size()), so_far.back());
  for (const TokenId token : drafts) {
    tree.parents.push_back(static_cast<std::int32_t>(tree.tokens.size()) - 1);
    tree.tokens.push_back(token);
  }
  return tree;
}

TEST_F(PassRunnerTest, PrefillsAllButTheRootInChunks) {
  const auto state = NewSequence({1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  const OpenResult result = Prefill(*state);
  EXPECT_EQ(result.prompt_candidates, Candidates{});
  EXPECT_EQ(state->kv->length(), 9u);
  EXPECT_THAT(pass_rows_, ElementsAre(4, 4, 1));
  EXPECT_THAT(logit_rows_, Each(0));
}

TEST_F(PassRunnerTest, ComputesLogitsOfTheLastPrefilledRowsOnly) {
  const std::vector<TokenId> prompt = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  for (const std::uint32_t learn_last : {0u, 1u, 3u, 9u, 0xFFFFFFFFu}) {
    logit_rows_.clear();
    const auto state = NewSequence(prompt);
    state->learn_last = learn_last;
    const OpenResult result = Prefill(*state);
    const std::size_t rows = std::min<std::size_t>(learn_last, 9);
    std::vector<TokenId> expected;
    for (std::size_t position = 9 - rows; position < 9; ++position) {
      const auto end = prompt.begin() + static_cast<std::ptrdiff_t>(position) + 1;
      expected.resize(expected.size() + 4);
      TopK(FakeTransformer::Logits({prompt.begin(), end}, kVocab), std::span(expected).last(4));
    }
    EXPECT_EQ(result.prompt_candidates.ids, expected);
    EXPECT_EQ(std::accumulate(logit_rows_.begin(), logit_rows_.end(), std::size_t{0}), rows);
  }
}

TEST_F(PassRunnerTest, AllTreesGiveTheTokensOfPlainSteps) {
  std::mt19937 random(17);
  int accepted_much = 0;
  for (int round = 0; round < 60; ++round) {
    const std::vector<TokenId> prompt = {static_cast<TokenId>(random() % kVocab), 3, 4};
    SamplingOptions sampling = IgnoreEos();
    sampling.temperature = round % 2 == 0 ? 0.0f : 0.7f;
    sampling.seed = random();
    if (round % 4 >= 2) {
      sampling.repetition_penalty = 1.2f;
      sampling.frequency_penalty = 0.3f;
      sampling.min_tokens = 10;
      sampling.stop_token_ids = {kEos};
      sampling.logit_bias = {{kEos, -100.0f}};
    }
    const std::vector<TokenId> plain = Generate(*Open(prompt, sampling), 30, nullptr);
    const auto state = Open(prompt, sampling);
    pass_rows_.clear();
    const auto trees = [&](const std::vector<TokenId>& so_far) {
      const auto told = static_cast<std::ptrdiff_t>(so_far.size() - prompt.size());
      return RandomTree(so_far, {plain.begin() + told, plain.end()}, kVocab, 16, random);
    };
    EXPECT_EQ(Generate(*state, 30, trees), plain) << "round " << round;
    accepted_much += pass_rows_.size() < 25;
  }
  EXPECT_GT(accepted_much, 30) << "too few drafts were accepted to test acceptance";
}

TEST_F(PassRunnerTest, AMovedSequenceGivesTheSameTokens) {
  SamplingOptions sampling = IgnoreEos();
  sampling.temperature = 1;
  sampling.seed = 3;
  sampling.presence_penalty = 1;
  const std::vector<TokenId> whole = Generate(*Open({1, 2}, sampling), 20, nullptr);
  const auto moved = NewSequence({1, 2}, sampling);
  moved->tokens.insert(moved->tokens.end(), whole.begin(), whole.begin() + 8);
  Prefill(*moved);
  EXPECT_EQ(Generate(*moved, 12, nullptr), std::vector<TokenId>(whole.begin() + 8, whole.end()));
}

TEST_F(PassRunnerTest, CandidatesAndLogprobsBelongToTheRowsOfThePass) {
  const std::vector<TokenId> truth = PlainTokens({1, 2}, 3);
  SamplingOptions sampling = IgnoreEos();
  sampling.top_logprobs = 2;
  const auto state = Open({1, 2}, sampling);
  state->want_candidates = true;
  const DraftTree tree = Chain({1, 2}, {truth[0], truth[1], (truth[2] + 1) % kVocab});
  const auto result = Verify(*state, {.base = 2, .tree = tree});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->tokens, truth);
  EXPECT_THAT(result->accepted_nodes, ElementsAre(1, 2));
  EXPECT_EQ(result->rows, 4);
  EXPECT_EQ(result->candidates.k, 4u);
  ASSERT_THAT(result->candidates.ids, SizeIs(16));
  // Greedy decoding emits the first candidate of each accepted row, which is the most probable
  // token.
  ASSERT_THAT(result->logprobs, SizeIs(3));
  for (std::size_t row = 0; row < 3; ++row) {
    EXPECT_EQ(result->candidates.ids[4 * row], truth[row]);
    EXPECT_EQ(result->logprobs[row].token, truth[row]);
    ASSERT_THAT(result->logprobs[row].top, SizeIs(2));
    EXPECT_EQ(result->logprobs[row].top[0], std::pair(truth[row], result->logprobs[row].logprob));
  }
}

TEST_F(PassRunnerTest, AStaleTreeIsIgnored) {
  const auto state = Open({1, 2, 3});
  const auto result = Verify(*state, {.base = 3, .tree = Chain({1, 2}, {5, 6})});
  ASSERT_THAT(result, IsOk());
  EXPECT_TRUE(result->draft_ignored);
  EXPECT_THAT(result->tokens, SizeIs(1));
  EXPECT_EQ(result->rows, 1);
}

TEST_F(PassRunnerTest, RefusedStepsDoNotChangeTheSequence) {
  const std::vector<TokenId> truth = PlainTokens({1, 2}, 3);
  const auto state = Open({1, 2});
  const auto expect = [&](VerifyStep step, absl::StatusCode code, const std::string& message) {
    EXPECT_THAT(Verify(*state, std::move(step)), StatusIs(code, HasSubstr(message)));
  };
  expect({.base = 3}, absl::StatusCode::kFailedPrecondition, "base: got 3, expected 2");
  expect({.base = 2, .tree = Chain({1, 7}, {4})}, absl::StatusCode::kInvalidArgument,
         "got root 7, expected the last committed token, 2");
  expect({.base = 2, .tree = Chain({1, 2}, {kVocab})}, absl::StatusCode::kInvalidArgument,
         "got token 32 at node 1");
  expect({.base = 2, .tree = Chain({1, 2}, std::vector<TokenId>(17, 3))},
         absl::StatusCode::kInvalidArgument, "got 17 nodes");
  DraftTree cycle = Chain({1, 2}, {3, 4});
  cycle.parents[1] = 2;
  expect({.base = 2, .tree = cycle}, absl::StatusCode::kInvalidArgument, "got parent 2");
  expect({.base = 2, .tree = DraftTree{.base = 2}}, absl::StatusCode::kInvalidArgument,
         "got no nodes");
  transformer_.poisoned = true;
  expect({.base = 2}, absl::StatusCode::kInternal, "got nan for token 1");
  transformer_.poisoned = false;
  EXPECT_EQ(Generate(*state, 3, nullptr), truth);
}

TEST_F(PassRunnerTest, NoStepFollowsAStopToken) {
  const std::vector<TokenId> truth = PlainTokens({1, 2}, 3);
  SamplingOptions sampling;
  sampling.stop_token_ids = {truth[1]};
  const auto state = Open({1, 2}, sampling);
  const auto result = Verify(*state, {.base = 2, .tree = Chain({1, 2}, truth)});
  ASSERT_THAT(result, IsOk());
  EXPECT_THAT(result->tokens, ElementsAre(truth[0], truth[1]));
  EXPECT_EQ(state->kv->length(), 3u);
  EXPECT_THAT(Verify(*state, {.base = 4}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has ended")));
}

TEST_F(PassRunnerTest, ASequenceCanFillTheWholeContext) {
  const std::vector<TokenId> prompt(kContext - 3, 1);
  const std::vector<TokenId> truth = PlainTokens(prompt, 3);
  const auto state = Open(prompt);
  std::vector<TokenId> drafts = truth;
  drafts.push_back(4);
  const auto result = Verify(*state, {.base = kContext - 3, .tree = Chain(prompt, drafts)});
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(result->tokens, truth);
  EXPECT_EQ(result->rows, 3);
  EXPECT_THAT(Verify(*state, {.base = kContext}), StatusIs(absl::StatusCode::kOutOfRange));
}

}  // namespace
}  // namespace recycling::verifier
