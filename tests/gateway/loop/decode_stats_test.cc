#include "gateway/loop/decode_stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling::gateway {
namespace {

using ::testing::ElementsAre;

std::uint64_t Count(const SpeculationStats& stats, FallbackReason reason) {
  return stats.fallbacks[static_cast<std::size_t>(reason)];
}

TEST(SummarizeTest, PlainDecodingHasExactlyOneTokenAStep) {
  const std::vector<StepRecord> steps(7, StepRecord{.tokens = 1});
  const SpeculationStats stats = Summarize(steps, 7);
  EXPECT_EQ(stats.steps, 7u);
  EXPECT_EQ(stats.MeanAcceptedTokens(), 1.0);
  EXPECT_EQ(stats.AcceptanceRate(), 0.0);
  EXPECT_EQ(stats.drafted_steps, 0u);
}

TEST(SummarizeTest, CountsAcceptedDraftsPerDepth) {
  const std::vector<StepRecord> steps = {{.tokens = 3, .drafted = 10, .accepted = 2},
                                         {.tokens = 1, .drafted = 4, .accepted = 0},
                                         {.tokens = 2, .drafted = 6, .accepted = 1}};
  const SpeculationStats stats = Summarize(steps, 6);
  EXPECT_EQ(stats.MeanAcceptedTokens(), 2.0);
  EXPECT_EQ(stats.draft_tokens, 20u);
  EXPECT_EQ(stats.accepted_tokens, 3u);
  EXPECT_EQ(stats.AcceptanceRate(), 0.15);
  EXPECT_THAT(stats.accepted_per_depth, ElementsAre(2, 1));
}

TEST(SummarizeTest, IfTheOutputEndsInsideAStepOnlyEmittedTokensCount) {
  const std::vector<StepRecord> steps = {{.tokens = 2, .drafted = 8, .accepted = 5}};
  const SpeculationStats stats = Summarize(steps, 2);
  EXPECT_EQ(stats.accepted_tokens, 2u);
  EXPECT_THAT(stats.accepted_per_depth, ElementsAre(1, 1));
}

TEST(SummarizeTest, LeavesOutStepsAfterTheLastOutputToken) {
  const std::vector<StepRecord> steps = {
      {.tokens = 2, .drafted = 3, .accepted = 1},
      {.tokens = 3, .drafted = 3, .accepted = 2},
      {.tokens = 1, .drafted = 0, .accepted = 0, .fallback = FallbackReason::kTimeout}};
  const SpeculationStats stats = Summarize(steps, 3);
  EXPECT_EQ(stats.steps, 2u);
  EXPECT_EQ(stats.draft_tokens, 6u);
  EXPECT_EQ(stats.accepted_tokens, 2u);
  EXPECT_EQ(Count(stats, FallbackReason::kTimeout), 0u);
  EXPECT_EQ(Summarize(steps, 0), SpeculationStats());
}

TEST(ShownStepsTest, AStepCountsWhenAllItsTokensHaveBeenShown) {
  const std::vector<StepRecord> steps = {{.tokens = 2, .drafted = 3, .accepted = 1},
                                         {.tokens = 3, .drafted = 3, .accepted = 2}};
  ShownSteps shown;
  EXPECT_EQ(shown.Count(std::span(steps).first(1), 1), SpeculationStats());
  EXPECT_EQ(shown.Count(std::span(steps).first(1), 2), Summarize(std::span(steps).first(1), 2));
  EXPECT_EQ(shown.Count(steps, 4), SpeculationStats());
  EXPECT_EQ(shown.Count(steps, 5), Summarize(std::span(steps).last(1), 3));
  EXPECT_EQ(shown.counted(), Summarize(steps, 5));
}

TEST(SpeculationStatsTest, AddsUp) {
  SpeculationStats sum = Summarize(std::vector<StepRecord>{{.tokens = 1, .drafted = 2}}, 1);
  sum.fallbacks[0] = 3;
  SpeculationStats other =
      Summarize(std::vector<StepRecord>{{.tokens = 3, .drafted = 2, .accepted = 2}}, 3);
  other.fallbacks[0] = 4;
  sum.Add(other);
  EXPECT_EQ(sum.steps, 2u);
  EXPECT_EQ(sum.MeanAcceptedTokens(), 2.0);
  EXPECT_EQ(sum.AcceptanceRate(), 0.5);
  EXPECT_THAT(sum.accepted_per_depth, ElementsAre(1, 1));
  EXPECT_EQ(Count(sum, FallbackReason::kUnavailable), 7u);
}

TEST(TimingsTest, RestIsDecodeMinusDraftAndVerify) {
  Timings timings{
      .decode = absl::Seconds(10), .draft = absl::Seconds(2), .verify = absl::Seconds(7)};
  EXPECT_EQ(timings.rest(), absl::Seconds(1));
  timings.verify = absl::Seconds(100);
  EXPECT_EQ(timings.rest(), absl::ZeroDuration());
}

TEST(TimingsTest, ARequestAddsWhatItsStepsHaveNotAdded) {
  Timings sum;
  const StepTimes times = {.step = absl::Seconds(3), .verify = absl::Seconds(2)};
  sum.Add(times);
  Timings request = {.queue = absl::Seconds(1), .total = absl::Seconds(9)};
  request.Add(times);
  sum.AddAllButSteps(request);
  EXPECT_EQ(sum.queue, absl::Seconds(1));
  EXPECT_EQ(sum.total, absl::Seconds(9));
  EXPECT_EQ(sum.decode, absl::Seconds(3));
  EXPECT_EQ(sum.verify, absl::Seconds(2));
}

TEST(StepDurationsTest, TheFirstStepHasNoInterTokenTime) {
  StepDurations steps;
  for (const int micros : {500, 15, 30}) steps.Add(StepTimes{.step = absl::Microseconds(micros)});
  steps.Add(StepTimes{.step = absl::Microseconds(2), .moved = absl::Microseconds(3)});
  EXPECT_EQ(steps.verify.count(), 4u);
  EXPECT_EQ(steps.inter_token.count(), 3u);
  EXPECT_EQ(steps.inter_token.sum_micros(), 50u);
  StepDurations all = steps;
  all.Add(steps);
  EXPECT_EQ(all.inter_token.count(), 6u);
}

}  // namespace
}  // namespace recycling::gateway
