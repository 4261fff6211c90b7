#include "gateway/fleet/retry_budget.h"

#include <gtest/gtest.h>

namespace recycling::gateway {
namespace {

TEST(RetryBudgetTest, BeginsWithTheBurst) {
  RetryBudget budget({.burst = 3, .per_request = 0.5, .per_second = 0.1});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.Take(absl::Seconds(100)));
  EXPECT_FALSE(budget.Take(absl::Seconds(100)));
}

TEST(RetryBudgetTest, RequestsAndTimeFillTheBudget) {
  RetryBudget budget({.burst = 1, .per_request = 0.5, .per_second = 0.1});
  EXPECT_TRUE(budget.Take(absl::ZeroDuration()));
  budget.Request();
  EXPECT_FALSE(budget.Take(absl::ZeroDuration()));
  budget.Request();
  EXPECT_TRUE(budget.Take(absl::ZeroDuration()));
  EXPECT_FALSE(budget.Take(absl::Seconds(9.9)));
  EXPECT_TRUE(budget.Take(absl::Seconds(10)));
}

TEST(RetryBudgetTest, NeverHoldsMoreThanTheBurst) {
  RetryBudget budget({.burst = 2, .per_request = 1, .per_second = 1});
  for (int i = 0; i < 100; ++i) budget.Request();
  const absl::Duration later = absl::Hours(1);
  EXPECT_TRUE(budget.Take(later));
  EXPECT_TRUE(budget.Take(later));
  EXPECT_FALSE(budget.Take(later));
}

}  // namespace
}  // namespace recycling::gateway
