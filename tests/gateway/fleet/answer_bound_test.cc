#include "gateway/fleet/answer_bound.h"

#include <gtest/gtest.h>

#include <limits>

namespace recycling::gateway {
namespace {

TEST(AnswerBoundTest, TheBoundIsThirtySecondsAndTimeForTheRows) {
  AnswerBound bound;
  EXPECT_EQ(bound.Get(0, 0), absl::Seconds(30));
  EXPECT_EQ(bound.Get(100, 50), absl::Seconds(30 + 4 * 150 * 0.1))
      << "a row of unknown cost counts as 0.1 s, and the bound allows four times that";
  bound.SetFullPass(10, absl::Milliseconds(50));
  EXPECT_EQ(bound.Get(1, 0), absl::Seconds(30) + absl::Milliseconds(4 * 5));
  EXPECT_EQ(bound.Get(100, 900), absl::Seconds(30) + absl::Milliseconds(4 * 5 * 1000));
}

TEST(AnswerBoundTest, TheBoundIsAtLeastTwentyFullPasses) {
  AnswerBound bound;
  bound.SetFullPass(10, absl::Seconds(5));
  EXPECT_EQ(bound.Get(0, 0), absl::Seconds(100));
}

TEST(AnswerBoundTest, ALateAnswerRaisesTheBound) {
  AnswerBound bound;
  bound.SetFullPass(10, absl::Milliseconds(50));
  // The bound allows 2 s for the 100 rows, so this answer is 40 s late.
  bound.Answered(/*own=*/100, /*others=*/0, absl::Seconds(42));
  EXPECT_EQ(bound.Get(0, 0), absl::Seconds(120));
  bound.Answered(100, 0, absl::Seconds(1));
  EXPECT_EQ(bound.Get(0, 0), absl::Seconds(120)) << "only the longest delay so far counts";
  bound.Answered(1, 0, absl::Hours(9));
  EXPECT_EQ(bound.Get(0, 0), absl::Minutes(15)) << "a late answer counts as at most 5 minutes late";
}

TEST(AnswerBoundTest, ALongAnswerWithManyRowsDoesNotRaiseTheBound) {
  AnswerBound bound;
  bound.SetFullPass(10, absl::Milliseconds(50));
  bound.Answered(100'000, 100'000, absl::Minutes(60));
  EXPECT_EQ(bound.Get(0, 0), absl::Seconds(30));
}

TEST(AnswerBoundTest, TheReportedCostOfAFullPassIsBounded) {
  AnswerBound bound;
  bound.SetFullPass(1, absl::Microseconds(std::numeric_limits<std::uint32_t>::max()));
  EXPECT_EQ(bound.Get(0, 0), absl::Minutes(100));
  bound.SetFullPass(0, absl::ZeroDuration());
  EXPECT_EQ(bound.Get(0, 0), absl::Minutes(100));
}

}  // namespace
}  // namespace recycling::gateway
