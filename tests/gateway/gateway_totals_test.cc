#include "gateway/gateway_totals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;

TEST(GatewayTotalsTest, AdmitsAsManyAsMayRunAtOnce) {
  GatewayTotals totals;
  EXPECT_THAT(totals.Begin(2), IsOk());
  EXPECT_THAT(totals.Begin(2), IsOk());
  EXPECT_THAT(totals.Begin(2), StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("the 2")));
  EXPECT_EQ(totals.Snapshot().running, 2);
  EXPECT_EQ(totals.Snapshot().failed, 1u);
  totals.End({}, 0);
  EXPECT_THAT(totals.Begin(2), IsOk());
}

TEST(GatewayTotalsTest, AddsUpWhatEnded) {
  GatewayTotals totals;
  DecodeOutcome good;
  good.completion_tokens = 6;
  good.speculation =
      Summarize(std::vector<StepRecord>{{.tokens = 6, .drafted = 8, .accepted = 5}}, 6);
  good.timings.total = absl::Seconds(2);
  DecodeOutcome bad = good;
  bad.status = absl::UnavailableError("gone");
  for (const DecodeOutcome* outcome : {&good, &bad}) {
    ASSERT_THAT(totals.Begin(9), IsOk());
    totals.End(*outcome, 3);
  }
  const Totals sum = totals.Snapshot();
  EXPECT_EQ(sum.running, 0);
  EXPECT_EQ(sum.succeeded, 1u);
  EXPECT_EQ(sum.failed, 1u);
  EXPECT_EQ(sum.prompt_tokens, 6u);
  EXPECT_EQ(sum.completion_tokens, 12u);
  EXPECT_EQ(sum.speculation.steps, 2u);
  EXPECT_EQ(sum.timings.total, absl::Seconds(4));
}

}  // namespace
}  // namespace recycling::gateway
