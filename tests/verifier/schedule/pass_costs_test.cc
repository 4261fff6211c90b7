#include "verifier/schedule/pass_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling::verifier {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// The cost in microseconds at `rows`, which must be a measured point.
std::uint32_t At(const PassCosts& costs, std::uint32_t rows) {
  for (const PassCost& cost : costs.Snapshot()) {
    if (cost.rows == rows) return cost.micros;
  }
  ADD_FAILURE() << "no point at " << rows;
  return 0;
}

PassCosts Measured() {
  PassCosts costs;
  costs.Set(81, absl::Microseconds(2000));
  costs.Set(1, absl::Microseconds(1000));
  costs.Set(16, absl::Microseconds(1200));
  return costs;
}

TEST(PassCostsTest, IsEmptyBeforeTheFirstPass) { EXPECT_THAT(PassCosts().Snapshot(), IsEmpty()); }

TEST(PassCostsTest, HasTheMeasuredPointsInOrderOfRows) {
  const auto costs = Measured().Snapshot();
  ASSERT_THAT(costs, SizeIs(3));
  EXPECT_EQ(costs[0].rows, 1u);
  EXPECT_EQ(costs[0].micros, 1000u);
  EXPECT_EQ(costs[1].rows, 16u);
  EXPECT_EQ(costs[1].micros, 1200u);
  EXPECT_EQ(costs[2].micros, 2000u);
}

TEST(PassCostsTest, NeverDescends) {
  PassCosts costs;
  costs.Set(1, absl::Microseconds(100));
  costs.Set(2, absl::Microseconds(90));
  costs.Set(3, absl::ZeroDuration());
  costs.Set(4, absl::InfiniteDuration());
  EXPECT_EQ(At(costs, 2), 100u);
  EXPECT_EQ(At(costs, 3), 100u);
  EXPECT_EQ(At(costs, 4), 4294967295u);
}

TEST(PassCostsTest, PassesOfOneSizeMoveTheWholeCurve) {
  PassCosts costs = Measured();
  for (int i = 0; i < 200; ++i) costs.Record(81, absl::Microseconds(4000));
  EXPECT_NEAR(At(costs, 81), 4000, 10);
  EXPECT_NEAR(At(costs, 1), 2000, 300);
  EXPECT_NEAR(At(costs, 16), 2400, 360);
}

TEST(PassCostsTest, PassesOfSeveralSizesChangeTheShape) {
  PassCosts costs = Measured();
  for (int i = 0; i < 2000; ++i) {
    costs.Record(1, absl::Microseconds(1000));
    costs.Record(81, absl::Microseconds(5000));
  }
  EXPECT_NEAR(At(costs, 1), 1000, 50);
  EXPECT_NEAR(At(costs, 81), 5000, 250);
}

TEST(PassCostsTest, OneDisturbedPassChangesLittle) {
  PassCosts costs = Measured();
  costs.Record(16, absl::Seconds(10));
  EXPECT_LT(At(costs, 16), 1200 * 1.08);
  EXPECT_LT(At(costs, 1), 1000 * 1.06);
}

TEST(PassCostsTest, APassOnTheLineBetweenTwoPointsChangesNothing) {
  PassCosts costs = Measured();
  costs.Record(14, absl::Microseconds(1173));
  EXPECT_NEAR(At(costs, 1), 1000, 1);
  EXPECT_NEAR(At(costs, 16), 1200, 1);
  EXPECT_THAT(costs.Snapshot(), SizeIs(3));
}

TEST(PassCostsTest, APassOnTheLineBeyondTheLastPointChangesNothing) {
  PassCosts costs = Measured();
  const absl::Duration expected = costs.At(96);
  EXPECT_GT(expected, absl::Microseconds(2100));
  for (int i = 0; i < 100; ++i) costs.Record(96, expected);
  EXPECT_NEAR(At(costs, 1), 1000, 1);
  EXPECT_NEAR(At(costs, 81), 2000, 1);
}

TEST(PassCostsTest, APassFarFromEveryPointAddsAPoint) {
  PassCosts costs;
  costs.Record(3, absl::Microseconds(30));
  costs.Record(40, absl::Microseconds(100));
  costs.Record(42, absl::Microseconds(100));
  EXPECT_THAT(costs.Snapshot(), SizeIs(2));
  EXPECT_EQ(At(costs, 3), 30u);
}

TEST(PassCostsTest, HoldsABoundedNumberOfPoints) {
  PassCosts costs;
  double rows = 1;
  for (int i = 0; i < 60; ++i, rows = rows * 1.3 + 1) {
    costs.Record(static_cast<int>(rows), absl::Microseconds(10 * i));
  }
  EXPECT_LE(costs.Snapshot().size(), PassCosts::kMostPoints);
  costs.Set(1 << 30, absl::Seconds(1));
  EXPECT_LE(costs.Snapshot().size(), PassCosts::kMostPoints);
}

}  // namespace
}  // namespace recycling::verifier
