#include "drafter/tree/step_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;
using Points = std::vector<StepCosts::Point>;

TEST(StepCostsTest, IsLinearBetweenPointsAndAfterTheLastPoint) {
  const auto costs = StepCosts::Create({{0, 100}, {10, 100}, {20, 300}, {40, 400}});
  ASSERT_THAT(costs, IsOk());
  EXPECT_DOUBLE_EQ(costs->Micros(0), 100);
  EXPECT_DOUBLE_EQ(costs->Micros(7), 100);
  EXPECT_DOUBLE_EQ(costs->Micros(10), 100);
  EXPECT_DOUBLE_EQ(costs->Micros(11), 120);
  EXPECT_DOUBLE_EQ(costs->Micros(20), 300);
  EXPECT_DOUBLE_EQ(costs->Micros(30), 350);
  EXPECT_DOUBLE_EQ(costs->Micros(40), 400);
  EXPECT_DOUBLE_EQ(costs->Micros(80), 600);
  const auto one = StepCosts::Create({{0, 70}});
  ASSERT_THAT(one, IsOk());
  EXPECT_DOUBLE_EQ(one->Micros(80), 70);
}

TEST(StepCostsTest, TheLargestNumbersDoNotOverflow) {
  const auto costs = StepCosts::Create({{0, 1}, {1, 0xffffffff}, {0xffffffff, 0xffffffff}});
  ASSERT_THAT(costs, IsOk());
  EXPECT_DOUBLE_EQ(costs->Micros(1), 4294967295.0);
  EXPECT_DOUBLE_EQ(costs->Micros(1 << 30), 4294967295.0);
}

TEST(StepCostsTest, RefusesBadPointsAndSaysWhatIsWrong) {
  Points many;
  for (std::uint32_t i = 0; i <= kMaxStepCosts; ++i) many.push_back({i, 1});
  const std::vector<std::pair<Points, std::string>> malformed = {
      {{}, "got 0 entries, expected 1 to 64"},
      {many, "got 65 entries"},
      {{{1, 5}}, "got nodes 1 first, expected 0"},
      {{{0, 0}}, "got micros 0 in entry 0, expected at least 1"},
      {{{0, 5}, {8, 6}, {8, 7}}, "got nodes 8 after 8"},
      {{{0, 5}, {8, 6}, {7, 7}}, "got nodes 7 after 8"},
      {{{0, 5}, {8, 4}}, "got micros 4 after 5"}};
  for (const auto& [points, message] : malformed) {
    EXPECT_THAT(StepCosts::Create(points),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
  many.pop_back();
  EXPECT_THAT(StepCosts::Create(many), IsOk());
}

TEST(BestSizeTest, FindsALargerSizeAfterASizeThatCostsTooMuch) {
  // The first two nodes are expensive. The next eight cost nothing more.
  const auto costs = StepCosts::Create({{0, 100}, {2, 200}, {10, 200}});
  ASSERT_THAT(costs, IsOk());
  EXPECT_EQ(BestSize(std::vector<double>(2, 0.2), *costs), 0);
  EXPECT_EQ(BestSize(std::vector<double>(10, 0.2), *costs), 10);
}

TEST(BestSizeTest, IsZeroIfNoSizeIsBetterAndTheSmallestOfEqualSizes) {
  const auto dear = StepCosts::Create({{0, 100}, {1, 300}});
  const auto equal = StepCosts::Create({{0, 100}, {2, 200}});
  ASSERT_THAT(dear, IsOk());
  ASSERT_THAT(equal, IsOk());
  EXPECT_EQ(BestSize(std::vector<double>{0.9, 0.9, 0.9}, *dear), 0);
  EXPECT_EQ(BestSize(std::vector<double>{0.5, 0.5}, *equal), 0);
  EXPECT_EQ(BestSize({}, *dear), 0);
}

// The first node adds 0.5 tokens to the step and 10 % to its time. Other sequences get their tokens
// later by the same 10 %. So the node is useful only if they get at most four tokens in the step.
TEST(BestSizeTest, TokensOfOthersMakeNodesMoreExpensive) {
  const auto costs = StepCosts::Create({{0, 1000}, {1, 1100}, {2, 1200}});
  const std::vector<double> gains = {0.5, 0.2};
  EXPECT_EQ(BestSize(gains, *costs), 2);
  EXPECT_EQ(BestSize(gains, *costs, 0.4), 2);
  EXPECT_EQ(BestSize(gains, *costs, 0.8), 1);
  EXPECT_EQ(BestSize(gains, *costs, 3.9), 1);
  EXPECT_EQ(BestSize(gains, *costs, 4.1), 0);
}

// BestSize chooses the size with which all sequences together get the most tokens per time. So it
// chooses smaller trees when other sequences get more tokens.
TEST(BestSizeTest, NeverGrowsWithTheTokensOfOthers) {
  const auto costs = StepCosts::Create({{0, 500}, {8, 600}, {16, 900}, {80, 3000}});
  std::vector<double> gains;
  for (int i = 0; i < 60; ++i) gains.push_back(0.6 / (1 + i));
  int before = 60;
  for (double others = 0; others < 40; others += 0.5) {
    const int size = BestSize(gains, *costs, others);
    EXPECT_LE(size, before);
    before = size;
  }
  EXPECT_EQ(before, 0);
}

}  // namespace
}  // namespace recycling::drafter
