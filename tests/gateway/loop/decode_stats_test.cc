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

// Node 1 is accepted, and then its child 3. Nodes 2 and 4 are not; node 5 stands below node 2.
TEST(CountSourcesTest, CountsEachNodeForAllItsSources) {
  constexpr DraftSourceSet kMatrix = SetOf(DraftSource::kMatrix);
  constexpr DraftSourceSet kPair = SetOf(DraftSource::kPair);
  DraftTree tree = DraftTree::Root(9, 7);
  tree.tokens = {7, 1, 2, 3, 4, 5};
  tree.parents = {-1, 0, 0, 1, 1, 2};
  tree.sources = {0, kMatrix | kPair, kMatrix, kPair, kPair, kMatrix};
  tree.probabilities = {1, 0.5F, 0.25F, 0.5F, 0.125F, 0.75F};
  const StepSources stats = CountSources(tree, 5, std::vector<int>{1, 3});
  using Counts = StepSources::value_type;
  const Counts& matrix = stats[static_cast<std::size_t>(DraftSource::kMatrix)];
  EXPECT_EQ(matrix, (Counts{.proposed = 3,
                            .accepted = 1,
                            .proposed_alone = 2,
                            .accepted_alone = 0,
                            .expected = 0.75}));
  const Counts& pair = stats[static_cast<std::size_t>(DraftSource::kPair)];
  EXPECT_EQ(pair, (Counts{.proposed = 3,
                          .accepted = 2,
                          .proposed_alone = 2,
                          .accepted_alone = 1,
                          .expected = 1.125}));
  EXPECT_EQ(stats[static_cast<std::size_t>(DraftSource::kRecent)], Counts());
  const StepSources cut = CountSources(tree, 1, std::vector<int>{1});
  EXPECT_EQ(cut[static_cast<std::size_t>(DraftSource::kMatrix)].proposed, 1);
  tree.sources.clear();
  EXPECT_EQ(CountSources(tree, 5, std::vector<int>{1}), StepSources());
}

TEST(SummarizeTest, AddsTheCountsOfTheSources) {
  StepRecord step{.tokens = 1, .drafted = 3};
  step.sources[1] = {.proposed = 3, .accepted = 1, .expected = 0.5};
  const std::vector<StepRecord> steps(2, step);
  SpeculationStats stats = Summarize(steps, 2);
  EXPECT_EQ(stats.sources[1], (SourceCounts{.proposed = 6, .accepted = 2, .expected = 1}));
  stats.TakeBack(Summarize(steps, 1));
  EXPECT_EQ(stats.sources[1], (SourceCounts{.proposed = 3, .accepted = 1, .expected = 0.5}));
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
