#include "common/base/log_budget.h"

#include <gtest/gtest.h>

namespace recycling {
namespace {

TEST(LogBudgetTest, DropsLinesAboveTheBoundAndCountsThem) {
  LogBudget budget(2, absl::Seconds(10));
  EXPECT_EQ(budget.Take(absl::Seconds(100)), 0u);
  EXPECT_EQ(budget.Take(absl::Seconds(105)), 0u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(budget.Take(absl::Seconds(109)), std::nullopt);
  EXPECT_EQ(budget.Take(absl::Seconds(110)), 3u);
  EXPECT_EQ(budget.Take(absl::Seconds(119)), 0u);
  EXPECT_EQ(budget.Take(absl::Seconds(119)), std::nullopt);
}

TEST(LogBudgetTest, AWindowBeginsWithItsFirstLine) {
  LogBudget budget(1, absl::Seconds(10));
  EXPECT_EQ(budget.Take(absl::ZeroDuration()), 0u);
  EXPECT_EQ(budget.Take(absl::Seconds(19)), 0u);
  EXPECT_EQ(budget.Take(absl::Seconds(21)), std::nullopt);
}

}  // namespace
}  // namespace recycling
