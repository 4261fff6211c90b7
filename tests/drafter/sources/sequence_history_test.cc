#include "drafter/sources/sequence_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <vector>

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint32_t kVocab = 20;
constexpr std::uint32_t kK = 2;

class SequenceHistoryTest : public ::testing::Test {
 protected:
  // "rank:token source class" of each candidate.
  struct Seen {
    TokenId token;
    std::uint32_t rank;
    DraftSource source;
    std::uint8_t candidate_class;
    bool operator==(const Seen&) const = default;
  };
  std::vector<Seen> Of(TokenId token) const {
    std::array<Candidate, kMaxCandidates> out;
    const std::size_t size = history_.CandidatesOf(matrix_, token, out);
    std::vector<Seen> seen;
    for (std::size_t i = 0; i < size; ++i) {
      seen.push_back({out[i].token, out[i].rank, out[i].source, out[i].candidate_class});
    }
    return seen;
  }
  static Seen FromMatrix(TokenId token, std::uint32_t rank, Evidence evidence) {
    return {token, rank, DraftSource::kMatrix, ClassOf(evidence, rank)};
  }

  // A step whose accepted tokens are `path`; every row's candidates are `row`.
  static Observation Step(const std::vector<TokenId>& path, const std::vector<TokenId>& row) {
    Observation observation{
        .tokens = path, .candidates = {.k = kK, .ids = {}}, .accepted_path = {}};
    for (std::uint32_t i = 0; i < path.size(); ++i) {
      observation.accepted_path.push_back(i);
      observation.candidates.ids.insert(observation.candidates.ids.end(), row.begin(), row.end());
    }
    return observation;
  }

  // Of all depths, over all sequences of the matrix.
  AcceptanceCount Counted(Evidence evidence, std::uint32_t rank) const {
    return matrix_.acceptance().Read().any_depth[ClassOf(evidence, rank)];
  }

  AdjacencyMatrix matrix_{kVocab, kK};
  SequenceHistory history_;
};

TEST_F(SequenceHistoryTest, ARowIsProposedAsItIs) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  EXPECT_THAT(
      Of(1), ElementsAre(FromMatrix(5, 0, Evidence::kUnseen), FromMatrix(6, 1, Evidence::kUnseen)));
  EXPECT_THAT(Of(2), IsEmpty());
}

TEST_F(SequenceHistoryTest, WhatFollowedBeforeSpeaksForItselfAndAgainstTheOthers) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  history_.ObservePrompt(std::vector<TokenId>{1, 6});
  EXPECT_THAT(Of(1), ElementsAre(FromMatrix(5, 0, Evidence::kOtherOnce),
                                 FromMatrix(6, 1, Evidence::kFollowedOnce)));
  history_.ObservePrompt(std::vector<TokenId>{1, 6});
  EXPECT_THAT(Of(1), ElementsAre(FromMatrix(5, 0, Evidence::kOtherOften),
                                 FromMatrix(6, 1, Evidence::kFollowedTwice)));
  history_.ObservePrompt(std::vector<TokenId>{1, 6, 1, 6});
  EXPECT_THAT(Of(1), ElementsAre(FromMatrix(5, 0, Evidence::kOtherOften),
                                 FromMatrix(6, 1, Evidence::kFollowedOften)));
  history_.ObservePrompt(std::vector<TokenId>{1, 5});  // another: counted anew
  EXPECT_THAT(Of(1), ElementsAre(FromMatrix(5, 0, Evidence::kFollowedOnce),
                                 FromMatrix(6, 1, Evidence::kOtherOnce)));
}

TEST_F(SequenceHistoryTest, WhatFollowedIsACandidateAlsoWhereTheRowForgotIt) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  history_.ObservePrompt(std::vector<TokenId>{1, 9});
  EXPECT_THAT(
      Of(1),
      ElementsAre(FromMatrix(5, 0, Evidence::kOtherOnce), FromMatrix(6, 1, Evidence::kOtherOnce),
                  Seen{9, 2, DraftSource::kSequence, ClassOf(Evidence::kFollowedOnce, 2)}));
}

TEST_F(SequenceHistoryTest, AColdRowTakesThatOfTheLastAcceptedNode) {
  history_.Observe(Step({3}, {7, 8}), 7, &matrix_);
  EXPECT_THAT(Of(4), ElementsAre(Seen{7, 0, DraftSource::kRecent, ClassOf(Evidence::kCold, 0)},
                                 Seen{8, 1, DraftSource::kRecent, ClassOf(Evidence::kCold, 1)}));
}

// Root 1 with candidates 5 and 6, node 5 with 2 and 3: the model chose 5, then 9.
TEST_F(SequenceHistoryTest, EveryCandidateOfANodeTheWalkStoodOnIsATrialAndNoOther) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  matrix_.WriteRow(5, std::vector<TokenId>{2, 3});
  matrix_.WriteRow(6, std::vector<TokenId>{4, 7});
  Observation step = Step({1, 5, 6}, {0, 1});  // 6 was drafted and not accepted
  step.accepted_path = {0, 1};
  history_.Observe(step, 9, &matrix_);
  const SharedAcceptance::Counts counts = matrix_.acceptance().Read();
  const std::uint8_t first = ClassOf(Evidence::kUnseen, 0);
  const std::uint8_t second = ClassOf(Evidence::kUnseen, 1);
  EXPECT_EQ(counts.by_depth[0][first].trials, 1);
  EXPECT_EQ(counts.by_depth[0][first].hits, 1);
  EXPECT_EQ(counts.by_depth[0][second].trials, 1);
  EXPECT_EQ(counts.by_depth[0][second].hits, 0);
  EXPECT_EQ(counts.by_depth[1][first].trials, 1);
  EXPECT_EQ(counts.by_depth[1][first].hits, 0);
  EXPECT_EQ(counts.any_depth[first].trials, 2);
  EXPECT_EQ(history_.counts()[first].trials, 2);
  EXPECT_EQ(history_.counts()[first].hits, 1);
  float trials = 0;
  for (const AcceptanceCount& count : counts.any_depth) trials += count.trials;
  EXPECT_EQ(trials, 4);
}

// A tree that was cut or ignored, or none: only what was emitted counts.
TEST_F(SequenceHistoryTest, APlainStepTeachesWhatATreeWouldHave) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  history_.Observe(Step({1}, {0, 2}), 6, &matrix_);
  EXPECT_EQ(Counted(Evidence::kUnseen, 0).trials, 1);
  EXPECT_EQ(Counted(Evidence::kUnseen, 0).hits, 0);
  EXPECT_EQ(Counted(Evidence::kUnseen, 1).hits, 1);
}

TEST_F(SequenceHistoryTest, ABonusThatBecomesKnownLaterCountsOnce) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  history_.Observe(Step({1}, {0, 2}), std::nullopt, &matrix_);
  EXPECT_EQ(Counted(Evidence::kUnseen, 0).trials, 0);
  history_.ObserveBonus(5, &matrix_);
  history_.ObserveBonus(5, &matrix_);
  EXPECT_EQ(Counted(Evidence::kUnseen, 0).trials, 1);
  EXPECT_EQ(Counted(Evidence::kUnseen, 0).hits, 1);
  EXPECT_EQ(Of(1)[0], FromMatrix(5, 0, Evidence::kFollowedOnce));
  history_.Observe(Step({1}, {0, 2}), std::nullopt, &matrix_);
  history_.ForgetBonus();
  history_.ObserveBonus(5, &matrix_);
  EXPECT_EQ(Counted(Evidence::kFollowedOnce, 0).trials, 0);
}

// The token stands twice on the path: both trials are of what was known when the tree was made.
TEST_F(SequenceHistoryTest, AStepIsCountedBeforeItIsRemembered) {
  matrix_.WriteRow(1, std::vector<TokenId>{1, 6});
  history_.Observe(Step({1, 1}, {0, 2}), 1, &matrix_);
  EXPECT_EQ(Counted(Evidence::kUnseen, 0).trials, 2);
  EXPECT_EQ(Counted(Evidence::kUnseen, 0).hits, 2);
  EXPECT_EQ(Of(1)[0], FromMatrix(1, 0, Evidence::kFollowedTwice));
}

TEST_F(SequenceHistoryTest, WhatOneSequenceSawAnotherDoesNotSee) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  history_.Observe(Step({1}, {0, 2}), 9, &matrix_);
  const SequenceHistory another;
  std::array<Candidate, kMaxCandidates> out;
  EXPECT_EQ(another.CandidatesOf(matrix_, 1, out), 2u);
  EXPECT_EQ(another.CandidatesOf(matrix_, 2, out), 0u);
  EXPECT_EQ(another.counts()[ClassOf(Evidence::kUnseen, 0)].trials, 0);
  // Nor does one of another matrix see its counts.
  const AdjacencyMatrix other_matrix(kVocab, kK);
  for (const AcceptanceCount& count : other_matrix.acceptance().Read().any_depth) {
    EXPECT_EQ(count.trials, 0);
  }
  EXPECT_EQ(Counted(Evidence::kUnseen, 0).trials, 1);
}

}  // namespace
}  // namespace recycling::drafter
