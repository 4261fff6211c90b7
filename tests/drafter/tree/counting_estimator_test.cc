#include "drafter/tree/counting_estimator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "drafter/sources/draft_sources.h"

namespace recycling::drafter {
namespace {

const std::vector<FollowClass> kAllFollows = {FollowClass::kUnseen,     FollowClass::kOtherOnce,
                                              FollowClass::kOtherOften, FollowClass::kOnce,
                                              FollowClass::kTwice,      FollowClass::kOften};

// A source that the estimator has no special rules for. It has two classes.
class Stranger final : public CandidateSource {
 public:
  DraftSource origin() const override { return DraftSource::kUnspecified; }
  std::size_t classes() const override { return 2; }
  double Prior(std::uint8_t token_class) const override { return token_class == 0 ? 0.5 : 0.25; }
  void Candidates(const DraftPath&, SourceAnswer*) const override {}
  void Observe(const ObservedStep&) override {}
};

// An estimator with four sources: 0 matrix, 1 recent, 2 history, 3 Stranger.
struct Rig {
  Rig() : sources_(MakeSources(&matrix_)) {
    sources_.push_back(std::make_unique<Stranger>());
    estimator_.emplace(sources_, &shared_);
    estimator_->Prepare();
  }

  static Candidate InRow(std::uint8_t rank, FollowClass follow, TokenId token = 1) {
    Candidate candidate{.token = token, .named_by = 1};
    candidate.classes = {rank, kNotInRow, static_cast<std::uint8_t>(follow), 0};
    if (Followed(follow)) candidate.named_by |= 4;
    return candidate;
  }
  static Candidate InRecentRow(std::uint8_t rank, FollowClass follow) {
    Candidate candidate = InRow(kNotInRow, follow);
    candidate.classes[1] = rank;
    candidate.named_by = static_cast<std::uint8_t>((candidate.named_by & ~1) | 2);
    return candidate;
  }
  static Candidate InNoRow(FollowClass follow) {
    Candidate candidate = InRow(kNotInRow, follow);
    candidate.named_by &= static_cast<std::uint8_t>(~1);
    return candidate;
  }
  static Candidate AlsoOfStranger(Candidate candidate, std::uint8_t stranger_class) {
    candidate.named_by |= 8;
    candidate.classes[3] = stranger_class;
    return candidate;
  }

  double P(Candidate candidate, int depth = 1) const {
    estimator_->Estimate(depth, std::span(&candidate, 1));
    return candidate.probability;
  }
  void Learn(const Candidate& candidate, bool hit, int times) {
    for (int i = 0; i < times; ++i) {
      estimator_->Learn(1, std::span(&candidate, 1), hit ? candidate.token : candidate.token + 1);
    }
    estimator_->Publish();
    estimator_->Prepare();
  }

  AdjacencyMatrix matrix_{10, 2};
  CandidateSources sources_;
  SharedAcceptance shared_;
  std::optional<CountingEstimator> estimator_;
};

class CountingEstimatorTest : public ::testing::Test, public Rig {};

TEST_F(CountingEstimatorTest, ThePriorFallsWithTheRankAndRisesWithTheHistory) {
  for (const FollowClass follow : kAllFollows) {
    double before = 1;
    for (std::uint8_t rank = 0; rank < kRankClasses; ++rank) {
      const double p = P(InRow(rank, follow));
      EXPECT_GT(p, 0);
      EXPECT_LE(p, before);
      before = p;
    }
  }
  EXPECT_DOUBLE_EQ(P(InRow(0, FollowClass::kUnseen)), 0.35);
  EXPECT_DOUBLE_EQ(P(InRow(0, FollowClass::kOtherOnce)), 0.35);
  EXPECT_DOUBLE_EQ(P(InRow(0, FollowClass::kOtherOften)), 0.175);
  EXPECT_DOUBLE_EQ(P(InRow(0, FollowClass::kOnce)), 0.48);
  EXPECT_DOUBLE_EQ(P(InRow(0, FollowClass::kTwice)), 0.65);
  EXPECT_DOUBLE_EQ(P(InRow(0, FollowClass::kOften)), 0.8);
  EXPECT_DOUBLE_EQ(P(InRow(1, FollowClass::kOnce)), 0.2);
  EXPECT_DOUBLE_EQ(P(InNoRow(FollowClass::kTwice)), 0.4);
  EXPECT_DOUBLE_EQ(P(InNoRow(FollowClass::kOften)), 0.7);
  EXPECT_DOUBLE_EQ(P(InRecentRow(0, FollowClass::kUnseen)), 0.03);
}

// Trials of one kind change only the estimates of that kind.
TEST_F(CountingEstimatorTest, EachKindHasItsOwnCounts) {
  const auto same = [](const Candidate& a, const Candidate& b) {
    Rig fresh;
    const double before = fresh.P(b);
    fresh.Learn(a, true, 50);
    return fresh.P(b) != before;
  };
  const auto unseen = FollowClass::kUnseen;
  EXPECT_TRUE(same(InRow(0, unseen), InRow(0, unseen)));
  EXPECT_FALSE(same(InRow(0, unseen), InRow(1, unseen)));
  EXPECT_FALSE(same(InRow(0, unseen), InRow(0, FollowClass::kOtherOnce)));
  EXPECT_FALSE(same(InRow(0, FollowClass::kOtherOnce), InRow(0, FollowClass::kOtherOften)));
  EXPECT_FALSE(same(InRow(0, FollowClass::kOnce), InRow(0, FollowClass::kTwice)));
  EXPECT_FALSE(same(InRow(0, unseen), InRecentRow(0, unseen)));
  // For a token that has followed the last token before, there are two kinds: rank 0, and
  // everything else. It does not matter whether the rank is in the matrix row or in the recent row.
  EXPECT_FALSE(same(InRow(0, FollowClass::kOnce), InRow(1, FollowClass::kOnce)));
  EXPECT_TRUE(same(InRow(1, FollowClass::kOnce), InRow(9, FollowClass::kOnce)));
  EXPECT_TRUE(same(InRow(1, FollowClass::kOnce), InNoRow(FollowClass::kOnce)));
  EXPECT_TRUE(same(InRow(0, FollowClass::kOnce), InRecentRow(0, FollowClass::kOnce)));
  // For a token in the recent row, the class kUnseen and the classes of other followers are one
  // kind.
  EXPECT_TRUE(same(InRecentRow(2, unseen), InRecentRow(2, FollowClass::kOtherOften)));
}

TEST_F(CountingEstimatorTest, AnUnknownSourceHasItsOwnCounts) {
  const Candidate lone = AlsoOfStranger(InNoRow(FollowClass::kUnseen), 0);
  const Candidate other_class = AlsoOfStranger(InNoRow(FollowClass::kUnseen), 1);
  EXPECT_DOUBLE_EQ(P(lone), 0.5);
  EXPECT_DOUBLE_EQ(P(other_class), 0.25);
  Learn(lone, true, 100);
  EXPECT_GT(P(lone), 0.9);
  EXPECT_DOUBLE_EQ(P(other_class), 0.25);
}

TEST_F(CountingEstimatorTest, TheLargestOfSeveralEstimatesForATokenIsUsed) {
  EXPECT_DOUBLE_EQ(P(AlsoOfStranger(InRow(0, FollowClass::kUnseen), 0)), 0.5);
  EXPECT_DOUBLE_EQ(P(AlsoOfStranger(InRow(0, FollowClass::kUnseen), 1)), 0.35);
  // A trial counts for both kinds.
  const Candidate both = AlsoOfStranger(InRow(0, FollowClass::kUnseen), 0);
  Learn(both, true, 100);
  EXPECT_GT(P(InRow(0, FollowClass::kUnseen)), 0.8);
  EXPECT_GT(P(AlsoOfStranger(InNoRow(FollowClass::kUnseen), 0)), 0.9);
}

TEST_F(CountingEstimatorTest, OtherSequencesUsePublishedTrials) {
  CountingEstimator another(sources_, &shared_);
  const Candidate candidate = InRow(0, FollowClass::kUnseen);
  const auto of_another = [&] {
    Candidate copy = candidate;
    another.Prepare();
    another.Estimate(1, std::span(&copy, 1));
    return copy.probability;
  };
  estimator_->Learn(1, std::span(&candidate, 1), candidate.token);
  EXPECT_DOUBLE_EQ(of_another(), 0.35);
  estimator_->Publish();
  EXPECT_GT(of_another(), 0.35);
  estimator_->Prepare();
  EXPECT_GT(P(candidate), of_another()) << "trials of the sequence itself must count more";
}

}  // namespace
}  // namespace recycling::drafter
