#include "gateway/clients/verifier_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;

// A step with a tree: the root 5 has the children 6 and 7, and 6 has the child 8.
VerifyStep Asked() {
  DraftTree tree = DraftTree::Root(10, 5);
  tree.tokens = {5, 6, 7, 8};
  tree.parents = {-1, 0, 0, 1};
  return {.step = 3, .base = 10, .tree = tree};
}

StepVerified Answer() {
  return {.step = 3,
          .base = 10,
          .tokens = {6, 8, 9},
          .accepted_nodes = {1, 3},
          .candidates = {.k = 2, .ids = std::vector<TokenId>(8, 1)},
          .logprobs = {{.token = 6}, {.token = 8}, {.token = 9}}};
}

absl::Status Check(const std::function<void(StepVerified&)>& change) {
  StepVerified answer = Answer();
  change(answer);
  return CheckVerified(Asked(), answer, 100, /*want_logprobs=*/true);
}

void ExpectBreach(const std::string& message, const std::function<void(StepVerified&)>& change) {
  EXPECT_THAT(Check(change), StatusIs(absl::StatusCode::kInternal, HasSubstr(message)));
}

TEST(CheckVerifiedTest, AcceptsAPathAndOneTokenMore) {
  EXPECT_THAT(Check([](StepVerified&) {}), IsOk());
  EXPECT_THAT(Check([](StepVerified& a) {
                a.tokens = {7, 9};
                a.accepted_nodes = {2};
                a.logprobs = {{.token = 7}, {.token = 9}};
              }),
              IsOk());
  EXPECT_THAT(Check([](StepVerified& a) { a.candidates = {}; }), IsOk());
}

TEST(CheckVerifiedTest, AcceptsTheAnswerToATreeThatTheVerifierHasCut) {
  const auto cut = [](StepVerified& a) {
    a.tokens = {6, 9};
    a.accepted_nodes = {1};
    a.logprobs = {{.token = 6}, {.token = 9}};
    a.verified_nodes = 2;
    a.candidates.ids.resize(6);
  };
  EXPECT_THAT(Check(cut), IsOk());
  ExpectBreach("candidates: got 8, expected 3 rows of 2", [&](StepVerified& a) {
    cut(a);
    a.candidates.ids.resize(8);
  });
  ExpectBreach("accepted node: got 3", [](StepVerified& a) { a.verified_nodes = 2; });
  ExpectBreach("verified nodes: got 4, expected 0 to 3",
               [](StepVerified& a) { a.verified_nodes = 4; });
  ExpectBreach("verified nodes: got -1", [](StepVerified& a) { a.verified_nodes = -1; });
}

TEST(CheckVerifiedTest, RefusesAnotherStepOrBase) {
  ExpectBreach("step: got 4, expected 3", [](StepVerified& a) { a.step = 4; });
  ExpectBreach("base: got 9, expected 10", [](StepVerified& a) { a.base = 9; });
}

TEST(CheckVerifiedTest, RefusesMissingUnknownAndSurplusTokens) {
  ExpectBreach("tokens: got 0", [](StepVerified& a) { a.tokens.clear(); });
  ExpectBreach("token: got 100, expected less than 100",
               [](StepVerified& a) { a.tokens[2] = 100; });
  ExpectBreach("accepted nodes: got 2, expected 3", [](StepVerified& a) { a.tokens.push_back(1); });
}

TEST(CheckVerifiedTest, RefusesNodesThatAreNotAPathFromTheRoot) {
  for (const std::vector<int>& nodes : std::vector<std::vector<int>>{
           {2, 3}, {3, 1}, {1, 2}, {1, 1}, {0, 1}, {-1, 3}, {1, 4}, {1, 1 << 30}}) {
    ExpectBreach("accepted node: got", [&](StepVerified& a) { a.accepted_nodes = nodes; });
  }
  ExpectBreach("token of an accepted node: got 7, expected 6",
               [](StepVerified& a) { a.tokens[0] = 7; });
}

TEST(CheckVerifiedTest, RefusesAcceptedNodesWithoutADraft) {
  ExpectBreach("accepted nodes without a draft: got 2",
               [](StepVerified& a) { a.draft_ignored = true; });
  StepVerified answer = Answer();
  EXPECT_THAT(CheckVerified({.step = 3, .base = 10, .tree = std::nullopt}, answer, 100, true),
              StatusIs(absl::StatusCode::kInternal));
}

TEST(CheckVerifiedTest, RefusesCandidatesOfOtherRows) {
  ExpectBreach("candidates: got 7, expected 4 rows of 2",
               [](StepVerified& a) { a.candidates.ids.pop_back(); });
  ExpectBreach("candidates", [](StepVerified& a) { a.candidates.k = 0; });
}

TEST(CheckVerifiedTest, RefusesLogprobsOfOtherTokens) {
  ExpectBreach("log-probabilities: got 2, expected 3",
               [](StepVerified& a) { a.logprobs.pop_back(); });
  ExpectBreach("log-probabilities: got 0", [](StepVerified& a) { a.logprobs.clear(); });
  ExpectBreach("token of a log-probability: got 1, expected 6",
               [](StepVerified& a) { a.logprobs[0].token = 1; });
}

TEST(CheckOpenedTest, AcceptsWholeRowsOfPrefilledTokens) {
  const OpenSequence open{.prompt_ids = {1, 2, 3, 4}, .learn_last = 3};
  EXPECT_THAT(CheckOpened(open, {.base = 4}), IsOk());
  EXPECT_THAT(CheckOpened(open, {.base = 4, .prompt_candidates = {2, {1, 2, 3, 4, 5, 6}}}), IsOk());
}

TEST(CheckOpenedTest, RefusesAnotherBaseAndMoreRowsThanAskedFor) {
  const OpenSequence open{.prompt_ids = {1, 2, 3, 4}, .generated_ids = {5}, .learn_last = 3};
  const auto refuses = [&](const SequenceOpened& opened, const std::string& message) {
    EXPECT_THAT(CheckOpened(open, opened),
                StatusIs(absl::StatusCode::kInternal, HasSubstr(message)));
  };
  refuses({.base = 4}, "base: got 4, expected 5");
  refuses({.base = 5, .cached_tokens = 5}, "cached tokens: got 5, expected less than 5");
  refuses({.base = 5, .prompt_candidates = {2, {1, 2, 3}}}, "whole rows of 2");
  refuses({.base = 5, .prompt_candidates = {0, {1, 2, 3}}}, "whole rows of 0");
  refuses({.base = 5, .prompt_candidates = {1, {1, 2, 3, 4}}}, "got 4, expected at most 3");
}

}  // namespace
}  // namespace recycling::gateway
