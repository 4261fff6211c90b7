#include "common/base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling {
namespace {

using ::testing::SizeIs;

TEST(MetricSetTest, JoinsSamplesOfOneNameIntoOneFamily) {
  MetricSet set;
  set.Counter("a_total", "First.", 1.0, {{"kind", "x"}});
  set.Gauge("b", "Other.", 2);
  set.Counter("a_total", "Ignored.", 3.0, {{"kind", "y"}});
  ASSERT_THAT(set.families(), SizeIs(2));
  const MetricSet::Family& a = set.families()[0];
  EXPECT_EQ(a.name, "a_total");
  EXPECT_EQ(a.help, "First.");
  EXPECT_EQ(a.type, MetricSet::Type::kCounter);
  ASSERT_THAT(a.samples, SizeIs(2));
  EXPECT_EQ(a.samples[1].value, 3);
  EXPECT_EQ(a.samples[1].labels, (MetricLabels{{"kind", "y"}}));
  EXPECT_EQ(set.families()[1].type, MetricSet::Type::kGauge);
}

TEST(MetricSetTest, CountsDurationsBelowEachBoundExactly) {
  DurationHistogram durations;
  for (const int micros : {0, 15, 16, 17, 31, 32, 63, 64, 1000000}) {
    durations.Add(absl::Microseconds(micros));
  }
  MetricSet set;
  set.Durations("d_seconds", "Durations.", durations, {.first = 4, .last = 6});
  const MetricSet::Histogram& histogram = set.families()[0].samples[0].histogram;
  ASSERT_THAT(histogram.buckets, SizeIs(3));
  EXPECT_EQ(histogram.buckets[0].upper_bound, 16e-6);
  EXPECT_EQ(histogram.buckets[0].count, 2u);
  EXPECT_EQ(histogram.buckets[1].count, 5u);
  EXPECT_EQ(histogram.buckets[2].upper_bound, 64e-6);
  EXPECT_EQ(histogram.buckets[2].count, 7u);
  EXPECT_EQ(histogram.count, 9u);
  EXPECT_DOUBLE_EQ(histogram.sum, 1.000238);
}

TEST(MetricSetTest, EveryMetricBoundIsABoundOfTheHistogram) {
  for (const DurationBounds bounds : {kStepBounds, kRequestBounds}) {
    DurationHistogram below, at;
    const auto last = std::int64_t{1} << bounds.last;
    below.Add(absl::Microseconds(last - 1));
    at.Add(absl::Microseconds(last));
    MetricSet set;
    set.Durations("below_seconds", "", below, bounds);
    set.Durations("at_seconds", "", at, bounds);
    EXPECT_EQ(set.families()[0].samples[0].histogram.buckets.back().count, 1u);
    EXPECT_EQ(set.families()[1].samples[0].histogram.buckets.back().count, 0u);
    EXPECT_EQ(set.families()[1].samples[0].histogram.count, 1u);
  }
}

}  // namespace
}  // namespace recycling
