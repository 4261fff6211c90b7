#include "gateway/gateway_totals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling::gateway {
namespace {

TEST(GatewayTotalsTest, CountsWhatRunsAndWhatNeverDid) {
  GatewayTotals totals;
  totals.Begin();
  totals.Begin();
  totals.Refuse();
  EXPECT_EQ(totals.Snapshot().running, 2);
  EXPECT_EQ(totals.Snapshot().failed, 1u);
  totals.End({}, 0);
  EXPECT_EQ(totals.Snapshot().running, 1);
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
    totals.Begin();
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
