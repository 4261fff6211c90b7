#include "gateway/cli/bench_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace recycling::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Output MakeOutput(const std::string& text, std::vector<std::uint32_t> ids) {
  return {.text = text, .token_ids = std::move(ids), .final = {}};
}

TEST(DifferenceTest, IsEmptyForEqualOutputs) {
  EXPECT_EQ(Difference(MakeOutput("", {}), MakeOutput("", {})), std::nullopt);
  EXPECT_EQ(Difference(MakeOutput("ab", {1, 2}), MakeOutput("ab", {1, 2})), std::nullopt);
}

TEST(DifferenceTest, SaysWhereOutputsDiffer) {
  EXPECT_EQ(Difference(MakeOutput("ab", {1, 2}), MakeOutput("ac", {1, 3})),
            "token 1 is 2, expected 3; texts differ from byte 1");
  EXPECT_EQ(Difference(MakeOutput("a", {1}), MakeOutput("a", {1, 3})),
            "token 1 is absent, expected 3");
  EXPECT_EQ(Difference(MakeOutput("a", {1, 3}), MakeOutput("a", {1})),
            "token 1 is 3, expected absent");
  EXPECT_EQ(Difference(MakeOutput("ab", {1}), MakeOutput("a", {1})), "texts differ from byte 1");
  Output stopped = MakeOutput("a", {1});
  stopped.final.set_finish_reason(gateway::v1::FINISH_REASON_EOS);
  EXPECT_EQ(Difference(stopped, MakeOutput("a", {1})),
            "finish reason is FINISH_REASON_EOS, expected FINISH_REASON_UNSPECIFIED");
}

gateway::v1::Final MakeFinal(std::uint32_t tokens, std::uint64_t decode_micros,
                             std::uint32_t steps) {
  gateway::v1::Final final;
  final.mutable_usage()->set_completion_tokens(tokens);
  final.mutable_timings()->set_decode_micros(decode_micros);
  final.mutable_speculation()->set_steps(steps);
  return final;
}

TEST(TotalsTest, AreZeroBeforeTheFirstRun) {
  const Totals totals;
  EXPECT_EQ(totals.DecodeTokensPerSecond(), 0);
  EXPECT_EQ(totals.MeanAcceptedTokens(), 0);
  EXPECT_EQ(totals.AcceptanceRate(), 0);
  EXPECT_EQ(totals.DraftPercent(), 0);
  EXPECT_EQ(Ratio(totals, totals), 0);
}

TEST(TotalsTest, WeighRunsByTokensAndTime) {
  gateway::v1::Final first = MakeFinal(30, 1'000'000, 10);
  first.mutable_timings()->set_draft_micros(100'000);
  first.mutable_timings()->set_draft_inside_micros(60'000);
  first.mutable_timings()->set_verify_micros(700'000);
  first.mutable_timings()->set_verify_inside_micros(600'000);
  first.mutable_timings()->set_wire_micros(140'000);
  first.mutable_timings()->set_rest_micros(200'000);
  first.mutable_speculation()->set_drafted_steps(8);
  first.mutable_speculation()->set_draft_tokens(100);
  first.mutable_speculation()->set_accepted_tokens(20);
  first.mutable_speculation()->add_accepted_per_depth(6);
  gateway::v1::Final second = MakeFinal(10, 3'000'000, 10);
  second.mutable_speculation()->set_drafted_steps(2);
  second.mutable_speculation()->add_accepted_per_depth(1);
  second.mutable_speculation()->add_accepted_per_depth(1);
  for (const auto& [reason, count] : {std::pair(gateway::v1::FALLBACK_REASON_STALE, 2),
                                      std::pair(gateway::v1::FALLBACK_REASON_ERROR, 1)}) {
    for (gateway::v1::Final* final : {&first, &second}) {
      auto* fallback = final->mutable_speculation()->add_fallbacks();
      fallback->set_reason(reason);
      fallback->set_count(static_cast<std::uint64_t>(count));
    }
  }
  Totals totals;
  totals.Add(first);
  totals.Add(second);
  EXPECT_EQ(totals.runs, 2U);
  EXPECT_EQ(totals.DecodeTokensPerSecond(), 10);
  EXPECT_EQ(totals.MeanAcceptedTokens(), 2);
  EXPECT_EQ(totals.AcceptanceRate(), 0.2);
  EXPECT_EQ(totals.DraftPercent(), 1.5);
  EXPECT_EQ(totals.VerifyPercent(), 15);
  EXPECT_EQ(totals.WirePercent(), 3.5);
  EXPECT_EQ(totals.RestPercent(), 80) << "the rest is all time that is not draft, verify or wire";
  EXPECT_THAT(totals.AcceptedPerDepthPercent(), ElementsAre(70, 10));
  EXPECT_EQ(totals.Fallbacks(), 6U);
  EXPECT_EQ(totals.speculation.fallbacks_size(), 2);
}

gateway::v1::DurationHistogram MakeHistogram(
    const std::vector<std::array<std::uint64_t, 3>>& buckets) {
  gateway::v1::DurationHistogram histogram;
  for (const auto& [from, to, count] : buckets) {
    auto* bucket = histogram.add_buckets();
    bucket->set_from_micros(from);
    bucket->set_to_micros(to);
    bucket->set_count(count);
    histogram.set_sum_micros(histogram.sum_micros() + from * count);
  }
  return histogram;
}

TEST(HistogramTest, AddsCountsOfEqualBuckets) {
  gateway::v1::DurationHistogram sum = MakeHistogram({{2, 3, 1}, {32, 34, 5}});
  AddHistogram(MakeHistogram({{1, 2, 7}, {32, 34, 1}, {64, 68, 2}}), &sum);
  EXPECT_EQ(sum.DebugString(),
            MakeHistogram({{1, 2, 7}, {2, 3, 1}, {32, 34, 6}, {64, 68, 2}}).DebugString());
  EXPECT_EQ(CountOf(sum), 16u);
}

TEST(HistogramTest, QuantilesAreLinearInsideABucket) {
  EXPECT_EQ(QuantileMicros({}, 0.5), 0);
  const auto histogram = MakeHistogram({{100, 104, 4}, {200, 208, 4}});
  EXPECT_EQ(QuantileMicros(histogram, 0), 100);
  EXPECT_EQ(QuantileMicros(histogram, 0.25), 102);
  EXPECT_EQ(QuantileMicros(histogram, 0.5), 104);
  EXPECT_EQ(QuantileMicros(histogram, 0.75), 204);
  EXPECT_EQ(QuantileMicros(histogram, 1), 208);
}

TEST(MedianTest, IsTheMiddleValueOrTheMeanOfTheTwoMiddleValues) {
  EXPECT_EQ(MedianOf({}).values, 0u);
  EXPECT_EQ(MedianOf({}).median, 0);
  EXPECT_EQ(MedianOf({3, 1, 2}).median, 2);
  EXPECT_EQ(MedianOf({4, 1, 3, 2}).median, 2.5);
}

TEST(MedianTest, TheIntervalIsTheNarrowestWithAtLeast95PercentConfidence) {
  std::vector<double> values;
  const auto interval = [&values](int count) {
    values.clear();
    for (int i = count; i >= 1; --i) values.push_back(i);
    return MedianOf(values).interval;
  };
  EXPECT_EQ(interval(5), std::nullopt) << "the widest interval, from rank 1 to 5, has 93.75 %";
  // The expected ranks are those in the tables of the sign test.
  EXPECT_EQ(interval(6), std::pair(1.0, 6.0));
  EXPECT_EQ(interval(8), std::pair(1.0, 8.0));
  EXPECT_EQ(interval(9), std::pair(2.0, 8.0));
  EXPECT_EQ(interval(20), std::pair(6.0, 15.0));
  EXPECT_EQ(interval(100), std::pair(40.0, 61.0));
}

TEST(PairsTest, EachPairGivesOneRatio) {
  BenchSummary summary;
  summary.pairs = {{100, 150}, {10, 30}, {1, 1}};
  EXPECT_EQ(PairRatio(summary).median, 1.5);
  EXPECT_EQ(PlainMedian(summary).median, 10);
  EXPECT_EQ(RecycledMedian(summary).median, 30);
}

TEST(BenchTableTest, HasARowPerPromptAndTheTotals) {
  BenchSummary summary;
  summary.plain.Add(MakeFinal(10, 1'000'000, 10));
  summary.recycled.Add(MakeFinal(10, 500'000, 4));
  summary.plain_by_prompt = {summary.plain};
  summary.recycled_by_prompt = {summary.recycled};
  summary.pairs = {{10, 20}};
  summary.by_category["qa"] = {summary.plain, summary.recycled};
  std::string table = BenchTable(summary);
  EXPECT_THAT(table,
              HasSubstr("     0        10       10.0       20.0    2.00   2.50      0.0%\n"));
  EXPECT_THAT(table,
              HasSubstr("   all        10       10.0       20.0    2.00   2.50      0.0%\n"));
  EXPECT_THAT(table,
              HasSubstr("    qa        10       10.0       20.0    2.00   2.50      0.0%\n"));
  EXPECT_THAT(table,
              HasSubstr("outputs: all equal\ndrafts made this faster: 2.00 times the plain speed"));
  summary.different = 1;
  EXPECT_THAT(BenchTable(summary), HasSubstr("outputs: 1 of 2 differ\n"));
}

}  // namespace
}  // namespace recycling::cli
