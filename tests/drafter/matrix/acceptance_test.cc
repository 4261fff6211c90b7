#include "drafter/matrix/acceptance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace recycling::drafter {
namespace {

constexpr std::uint32_t kRanks = 64;
const std::vector<Evidence> kAll = {Evidence::kUnseen,        Evidence::kOtherOnce,
                                    Evidence::kOtherOften,    Evidence::kFollowedOnce,
                                    Evidence::kFollowedTwice, Evidence::kFollowedOften,
                                    Evidence::kCold};

TEST(AcceptanceTest, WhatWasNeverTriedHasItsPriorAtEveryDepthWhichFallsWithTheRank) {
  const AcceptanceTable table = Estimate({}, {});
  for (const Evidence evidence : kAll) {
    double before = 1;
    for (std::uint32_t rank = 0; rank <= kRanks; ++rank) {
      const std::uint8_t c = ClassOf(evidence, rank);
      ASSERT_LT(c, kClasses);
      EXPECT_GT(PriorOf(c), 0);
      EXPECT_LE(PriorOf(c), before);
      before = PriorOf(c);
      for (const auto& at_depth : table) EXPECT_DOUBLE_EQ(at_depth[c], PriorOf(c));
    }
  }
}

TEST(AcceptanceTest, ClassesAreApartByEvidenceAndByRankUpToEight) {
  EXPECT_NE(ClassOf(Evidence::kUnseen, 0), ClassOf(Evidence::kUnseen, 1));
  EXPECT_NE(ClassOf(Evidence::kUnseen, 7), ClassOf(Evidence::kUnseen, 8));
  EXPECT_EQ(ClassOf(Evidence::kUnseen, 8), ClassOf(Evidence::kUnseen, 15));
  EXPECT_NE(ClassOf(Evidence::kUnseen, 0), ClassOf(Evidence::kCold, 0));
  EXPECT_NE(ClassOf(Evidence::kFollowedOnce, 0), ClassOf(Evidence::kFollowedOnce, 1));
  EXPECT_EQ(ClassOf(Evidence::kFollowedOnce, 1), ClassOf(Evidence::kFollowedOnce, 9));
}

// By hand: class c = (unseen, rank 0), prior 0.35. Four trials at depth 1 with three hits, two at
// depth 2 with none; this sequence had two of them, one hit.
TEST(AcceptanceTest, TheFormulaByHand) {
  const std::uint8_t c = ClassOf(Evidence::kUnseen, 0);
  const std::uint8_t other = ClassOf(Evidence::kUnseen, 1);
  SharedAcceptance shared;
  const auto trial = [&](int depth, bool hit) {
    return Trial{static_cast<std::uint8_t>(DepthBucket(depth)), c, hit};
  };
  shared.Add(std::vector<Trial>{trial(1, true), trial(1, true), trial(1, true), trial(1, false)});
  shared.Add(std::vector<Trial>{trial(2, false), trial(2, false)});
  ClassCounts sequence = {};
  sequence[c] = {.trials = 2, .hits = 1};
  const AcceptanceTable table = Estimate(shared.Read(), sequence);
  const double any = (3 + 8 * 0.35) / (6 + 8);
  EXPECT_NEAR(table[0][c], (1 + 30 * ((3 + 30 * any) / (4 + 30))) / (2 + 30), 1e-12);
  EXPECT_NEAR(table[1][c], (1 + 30 * ((0 + 30 * any) / (2 + 30))) / (2 + 30), 1e-12);
  EXPECT_NEAR(table[2][c], (1 + 30 * any) / (2 + 30), 1e-12);
  EXPECT_NEAR(table[0][other], PriorOf(other), 1e-12);
}

TEST(AcceptanceTest, DepthsBeyondTheThirdAreOneBucket) {
  EXPECT_EQ(DepthBucket(1), 0u);
  EXPECT_EQ(DepthBucket(3), 2u);
  EXPECT_EQ(DepthBucket(4), 3u);
  EXPECT_EQ(DepthBucket(32), 3u);
}

TEST(AcceptanceTest, SharedCountsFade) {
  const std::uint8_t c = ClassOf(Evidence::kUnseen, 0);
  SharedAcceptance shared;
  for (int i = 0; i < 4095; ++i) shared.Add(std::vector<Trial>{{0, c, true}});
  EXPECT_EQ(shared.Read().any_depth[c].trials, 4095);
  shared.Add(std::vector<Trial>{{0, c, false}});
  EXPECT_EQ(shared.Read().any_depth[c].trials, 2048);
  EXPECT_EQ(shared.Read().any_depth[c].hits, 2047.5f);
  EXPECT_EQ(shared.Read().by_depth[0][c].trials, 2048);
  // What happens now outweighs what happened before: as many misses again halve the estimate.
  const double before = Estimate(shared.Read(), {})[0][c];
  for (int i = 0; i < 2047; ++i) shared.Add(std::vector<Trial>{{0, c, false}});
  EXPECT_NEAR(Estimate(shared.Read(), {})[0][c], before / 2, 0.01);
}

TEST(AcceptanceTest, NoTrialOfConcurrentSequencesIsLost) {
  SharedAcceptance shared;
  const std::uint8_t c = ClassOf(Evidence::kCold, 3);
  std::vector<std::jthread> writers;
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&] {
      for (int i = 0; i < 500; ++i) shared.Add(std::vector<Trial>{{2, c, i % 2 == 0}});
    });
  }
  writers.clear();
  EXPECT_EQ(shared.Read().any_depth[c].trials, 2000);
  EXPECT_EQ(shared.Read().by_depth[2][c].hits, 1000);
}

}  // namespace
}  // namespace recycling::drafter
