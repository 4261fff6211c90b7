#include "gateway/speculation/step_prices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<PassCost> kCosts = {
    {1, absl::Microseconds(100)}, {16, absl::Microseconds(130)}, {81, absl::Microseconds(260)}};

TEST(PassCostAtTest, IsLinearBetweenPointsAndAfterTheLastOne) {
  EXPECT_EQ(PassCostAt({}, 1), absl::ZeroDuration());
  EXPECT_EQ(PassCostAt(kCosts, 1), absl::Microseconds(100));
  EXPECT_EQ(PassCostAt(kCosts, 6), absl::Microseconds(110));
  EXPECT_EQ(PassCostAt(kCosts, 81), absl::Microseconds(260));
  EXPECT_EQ(PassCostAt(kCosts, 96), absl::Microseconds(290));
  const std::vector<PassCost> one = {{4, absl::Microseconds(50)}};
  EXPECT_EQ(PassCostAt(one, 1), absl::Microseconds(50));
  EXPECT_EQ(PassCostAt(one, 9), absl::Microseconds(50));
}

TEST(PassCostAtTest, NoRowIsFreeBeyondTheLastPoint) {
  const std::vector<PassCost> flat = {{4, absl::Microseconds(160)}, {16, absl::Microseconds(160)}};
  EXPECT_EQ(PassCostAt(flat, 10), absl::Microseconds(160));
  EXPECT_EQ(PassCostAt(flat, 17), absl::Microseconds(164));
  EXPECT_EQ(PassCostAt(flat, 81), absl::Microseconds(160 + 65 * 4));
}

TEST(PriceStepsTest, AddsTheOverheadAndCountsTheRootAsARow) {
  EXPECT_THAT(PriceSteps(kCosts, absl::Microseconds(40), {}, 80),
              ElementsAre(StepCost{0, 140}, StepCost{15, 170}, StepCost{80, 300}));
}

TEST(PriceStepsTest, EndsAtTheFirstNumberThatReachesTheLimit) {
  EXPECT_THAT(PriceSteps(kCosts, {}, {}, 15), ElementsAre(StepCost{0, 100}, StepCost{15, 130}));
  EXPECT_THAT(PriceSteps(kCosts, {}, {}, 95), ElementsAre(StepCost{0, 100}, StepCost{15, 130},
                                                          StepCost{80, 260}, StepCost{95, 290}));
}

TEST(PriceStepsTest, BeginsAtZeroNodesForAnyFirstPoint) {
  const std::vector<PassCost> late = {{3, absl::Microseconds(30)}};
  EXPECT_THAT(PriceSteps(late, {}, {}, 2), ElementsAre(StepCost{0, 30}, StepCost{2, 30}));
}

TEST(PlainStepCostTest, IsThePriceOfNoNodes) {
  EXPECT_EQ(PlainStepCost(kCosts, absl::Microseconds(40), {}), absl::Microseconds(140));
  const OtherLoad others = {.rows = 15, .passes = absl::Microseconds(70)};
  EXPECT_EQ(PlainStepCost(kCosts, absl::Microseconds(40), others), absl::Microseconds(200));
  EXPECT_EQ(PlainStepCost({}, absl::Microseconds(40), others), std::nullopt);
}

TEST(PriceStepsTest, IsEmptyWithoutPoints) {
  EXPECT_THAT(PriceSteps({}, absl::Microseconds(40), {}, 80), IsEmpty());
}

TEST(PriceStepsTest, ADrafterAcceptsThePricesForAnyPoints) {
  std::vector<PassCost> many;
  for (std::uint32_t i = 1; i <= 200; ++i) many.push_back({i, absl::Nanoseconds(10 * i)});
  for (const int most : {0, 1, 62, 63, 64, 1000}) {
    const auto prices = PriceSteps(many, absl::Seconds(-1), {}, most);
    ASSERT_LE(prices.size(), kMaxStepCosts);
    EXPECT_EQ(prices[0].nodes, 0u);
    EXPECT_GE(prices.back().nodes, static_cast<std::uint32_t>(most));
    for (std::size_t i = 0; i < prices.size(); ++i) {
      EXPECT_GE(prices[i].micros, 1u);
      if (i == 0) continue;
      EXPECT_GT(prices[i].nodes, prices[i - 1].nodes);
      EXPECT_GE(prices[i].micros, prices[i - 1].micros);
    }
  }
}

// With 15 rows of others, a step without nodes costs the same as a lone step with 15 nodes.
TEST(PriceStepsTest, CountsTheRowsOfOthers) {
  EXPECT_THAT(PriceSteps(kCosts, absl::Microseconds(40), {.rows = 15}, 80),
              ElementsAre(StepCost{0, 170}, StepCost{65, 300}, StepCost{80, 330}));
  EXPECT_THAT(PriceSteps(kCosts, {}, {.rows = 7.5}, 8),
              ElementsAre(StepCost{0, 115}, StepCost{8, 131}));
  EXPECT_THAT(PriceSteps(kCosts, {}, {.rows = 500}, 10),
              ElementsAre(StepCost{0, 1100}, StepCost{10, 1120}));
}

TEST(PriceStepsTest, PassesOfOthersHideTheOverhead) {
  const OtherLoad others = {.tokens = 3, .passes = absl::Microseconds(500)};
  EXPECT_THAT(PriceSteps(kCosts, absl::Microseconds(40), others, 15),
              ElementsAre(StepCost{0, 600}, StepCost{15, 630}));
  EXPECT_THAT(PriceSteps(kCosts, absl::Microseconds(700), others, 15),
              ElementsAre(StepCost{0, 800}, StepCost{15, 830}));
}

TEST(DraftCostTest, IsTheTimeThatTheNodesAddToTheSharedPass) {
  EXPECT_EQ(DraftCost(kCosts, {}, 15), absl::Microseconds(30));
  EXPECT_EQ(DraftCost(kCosts, {.rows = 15}, 65), absl::Microseconds(130));
  EXPECT_EQ(DraftCost(kCosts, {.rows = 15}, 0), absl::ZeroDuration());
  EXPECT_EQ(DraftCost({}, {}, 15), absl::ZeroDuration());
}

TEST(RowCostTest, IsTheShareOfThePassThatOneMoreRowAdds) {
  const std::vector<PassCost> costs = {{1, absl::Microseconds(1000)},
                                       {11, absl::Microseconds(2000)}};
  EXPECT_DOUBLE_EQ(RowCost(costs, {}).value(), 0.1);
  EXPECT_DOUBLE_EQ(RowCost(costs, {.rows = 10}).value(), 0.05) << "with ten rows of others";
  EXPECT_EQ(RowCost({}, {}), std::nullopt);
}

}  // namespace
}  // namespace recycling::gateway
