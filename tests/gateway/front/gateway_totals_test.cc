#include "gateway/front/gateway_totals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling::gateway {
namespace {

using ::testing::ElementsAre;

TEST(GatewayTotalsTest, CountsRunningAndRefusedRequests) {
  GatewayTotals totals;
  totals.Begin();
  totals.Begin();
  totals.Refuse();
  EXPECT_EQ(totals.Snapshot().running, 2);
  EXPECT_EQ(totals.Snapshot().failed, 1u);
  totals.End({}, 0);
  EXPECT_EQ(totals.Snapshot().running, 1);
}

TEST(GatewayTotalsTest, AddsUpEndedRequests) {
  GatewayTotals totals;
  DecodeOutcome good;
  good.completion_tokens = 6;
  good.speculation =
      Summarize(std::vector<StepRecord>{{.tokens = 6, .drafted = 8, .accepted = 5}}, 6);
  good.timings.total = absl::Seconds(2);
  DecodeOutcome bad = good;
  bad.status = absl::UnavailableError("gone");
  good.timings.queue = absl::Milliseconds(3);
  good.timings.time_to_first_token = absl::Milliseconds(20);
  good.finish.reason = FinishReason::kStopString;
  bad.timings = good.timings;
  for (const DecodeOutcome* outcome : {&good, &bad}) {
    totals.Begin();
    totals.Show(2);
    totals.Show(4);
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
  EXPECT_THAT(sum.finishes, ElementsAre(0, 1, 0, 0));
  EXPECT_EQ(sum.failures[static_cast<std::size_t>(absl::StatusCode::kUnavailable)], 1u);
  EXPECT_EQ(sum.requests.queue.sum_micros(), 6000u);
  EXPECT_EQ(sum.requests.time_to_first_token.count(), 2u);
  EXPECT_EQ(sum.requests.total.sum_micros(), 2000000u) << "only the request with status OK counts";
}

TEST(GatewayTotalsTest, CountsTokensAsTheyAreShown) {
  GatewayTotals totals;
  totals.Begin();
  totals.Show(3);
  EXPECT_EQ(totals.Snapshot().completion_tokens, 3u);
  EXPECT_EQ(totals.Snapshot().running, 1);
}

TEST(GatewayTotalsTest, CountsEachStepOnceAndWhileTheRequestRuns) {
  GatewayTotals totals;
  totals.Begin();
  const std::vector<StepRecord> steps = {{.tokens = 3, .drafted = 8, .accepted = 2},
                                         {.tokens = 1, .paused = true},
                                         {.tokens = 4, .drafted = 8, .accepted = 3}};
  DecodeOutcome outcome;
  outcome.counted = Summarize(std::span(steps).first(2), 4);
  totals.CountSteps(outcome.counted);
  EXPECT_EQ(totals.Snapshot().speculation.steps, 2u);
  EXPECT_EQ(totals.Snapshot().speculation.emitted_tokens, 4u);
  outcome.speculation = Summarize(steps, 6);
  totals.End(outcome, 0);
  EXPECT_EQ(totals.Snapshot().speculation, outcome.speculation);
}

TEST(GatewayTotalsTest, CountsTimesOfStepsWhileARequestRunsAndEachOnce) {
  GatewayTotals totals;
  totals.Begin();
  const StepTimes times = {.step = absl::Milliseconds(5), .verify = absl::Milliseconds(4)};
  totals.CountTimes(times);
  EXPECT_EQ(totals.Snapshot().timings.decode, absl::Milliseconds(5));
  DecodeOutcome outcome;
  outcome.timings.Add(times);
  outcome.timings.prefill = absl::Milliseconds(20);
  totals.End(outcome, 0);
  EXPECT_EQ(totals.Snapshot().timings.decode, absl::Milliseconds(5));
  EXPECT_EQ(totals.Snapshot().timings.verify, absl::Milliseconds(4));
  EXPECT_EQ(totals.Snapshot().timings.prefill, absl::Milliseconds(20));
}

TEST(GatewayTotalsTest, CountsUnauthenticatedAndNotPermittedCalls) {
  GatewayTotals totals;
  totals.CountNotAllowed(absl::UnauthenticatedError("no key"));
  totals.CountNotAllowed(absl::PermissionDeniedError("another role"));
  totals.CountNotAllowed(absl::PermissionDeniedError("another role"));
  totals.CountNotAllowed(absl::UnavailableError("not the caller's fault"));
  EXPECT_EQ(totals.Snapshot().unauthenticated, 1u);
  EXPECT_EQ(totals.Snapshot().not_permitted, 2u);
}

TEST(GatewayTotalsTest, ARequestWithoutATokenHasNoTimeToFirstToken) {
  GatewayTotals totals;
  totals.Begin();
  DecodeOutcome outcome;
  outcome.status = absl::CancelledError("gone");
  totals.End(outcome, 0);
  EXPECT_EQ(totals.Snapshot().requests.time_to_first_token.count(), 0u);
  EXPECT_EQ(totals.Snapshot().requests.queue.count(), 1u);
}

}  // namespace
}  // namespace recycling::gateway
