#include "gateway/speculation/drafting_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace recycling::gateway {
namespace {

TEST(LimitsOfTest, CutsTheTreeToTheLimitOfTheVerifierAndToTheAllowedTokens) {
  EXPECT_EQ(LimitsOf(16, 80, 10), (TreeLimits{.nodes = 16, .depth = 9}));
  EXPECT_EQ(LimitsOf(80, 5, 10), (TreeLimits{.nodes = 5, .depth = 9}));
  EXPECT_EQ(LimitsOf(80, 80, std::numeric_limits<std::uint32_t>::max()).depth,
            std::numeric_limits<int>::max());
}

TEST(LimitsOfTest, ADraftIsNotUsefulWithoutABudgetOrForTheLastToken) {
  EXPECT_TRUE(LimitsOf(1, 1, 2).useful());
  EXPECT_FALSE(LimitsOf(0, 80, 10).useful());
  EXPECT_FALSE(LimitsOf(80, 0, 10).useful());
  EXPECT_FALSE(LimitsOf(80, 80, 1).useful());
}

Observation Rows(std::size_t rows, std::size_t accepted) {
  Observation observation;
  observation.tokens.assign(rows, 7);
  for (std::size_t i = 0; i < accepted; ++i) {
    observation.accepted_path.push_back(static_cast<int>(i));
  }
  return observation;
}

TEST(HoldsBackTest, OnlyAShortChainInAPauseWaitsForMoreRows) {
  EXPECT_TRUE(HoldsBack(/*resting=*/true, Rows(1, 1)));
  EXPECT_TRUE(HoldsBack(true, Rows(kHeldRows - 1, kHeldRows - 1)));
  EXPECT_FALSE(HoldsBack(true, Rows(kHeldRows, kHeldRows)))
      << "the chain is long enough for a message";
  EXPECT_FALSE(HoldsBack(true, Rows(3, 2))) << "the next step continues only a chain";
  EXPECT_FALSE(HoldsBack(/*resting=*/false, Rows(1, 1)));
}

// The first row costs 1000 us, and each further row costs 100 us.
const std::vector<PassCost> kCosts = {{1, absl::Microseconds(1000)},
                                      {11, absl::Microseconds(2000)}};

TEST(JudgeStepTest, ForALoneSequenceAPlainStepCostsOneRowAndTheMeanOverhead) {
  const StepVerdict verdict =
      JudgeStep({.step = absl::Microseconds(1700), .verify = absl::Microseconds(1400)},
                {.plain = absl::Microseconds(50)}, kCosts, {});
  EXPECT_EQ(verdict.took, absl::Microseconds(1700));
  EXPECT_EQ(verdict.plain, absl::Microseconds(1050));
}

TEST(JudgeStepTest, WithoutAMeanTheOverheadOfTheStepCounts) {
  const StepVerdict verdict = JudgeStep({.step = absl::Microseconds(1700),
                                         .overhead = absl::Microseconds(300),
                                         .draft = absl::Microseconds(180)},
                                        {}, kCosts, {});
  EXPECT_EQ(verdict.plain, absl::Microseconds(1120));
}

TEST(JudgeStepTest, WaitingForPassesOfOthersDoesNotCount) {
  const StepMeasures measures{.step = absl::Microseconds(3000),
                              .verify = absl::Microseconds(2500),
                              .queue = absl::Microseconds(1200)};
  EXPECT_EQ(JudgeStep(measures, {}, kCosts, {}).took, absl::Microseconds(1800));
  StepMeasures lied = measures;
  lied.queue = absl::Hours(1);
  EXPECT_EQ(JudgeStep(lied, {}, kCosts, {}).took, absl::Microseconds(500))
      << "the queue time is cut to the waiting time";
}

TEST(JudgeStepTest, UnderLoadOnlyTheTimeThatTheDraftAddsCounts) {
  const OtherLoad others{.rows = 4, .tokens = 4};
  const StepOverhead overhead{.drafted = absl::Microseconds(150), .plain = absl::Microseconds(50)};
  const StepVerdict verdict =
      JudgeStep({.step = absl::Microseconds(3000), .drafted = 3}, overhead, kCosts, others);
  EXPECT_EQ(verdict.took, absl::Microseconds(3000));
  EXPECT_EQ(verdict.plain, absl::Microseconds(3000 - 300 - 100));
  EXPECT_EQ(
      JudgeStep({.step = absl::Microseconds(80), .drafted = 3}, overhead, kCosts, others).plain,
      absl::Microseconds(10))
      << "a plain step costs at least an eighth of the step";
}

}  // namespace
}  // namespace recycling::gateway
