#include "common/base/duration_histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Bucket = DurationHistogram::Bucket;

DurationHistogram Of(std::initializer_list<absl::Duration> durations) {
  DurationHistogram histogram;
  for (const absl::Duration duration : durations) histogram.Add(duration);
  return histogram;
}

TEST(DurationHistogramTest, IsEmptyAtFirst) {
  EXPECT_THAT(DurationHistogram().Buckets(), IsEmpty());
  EXPECT_EQ(DurationHistogram().sum_micros(), 0u);
  EXPECT_EQ(DurationHistogram().count(), 0u);
}

TEST(DurationHistogramTest, EveryDurationIsInItsBucketAndBucketsAreNarrow) {
  for (std::int64_t micros = 0; micros < (std::int64_t{1} << 32); micros = micros * 17 / 16 + 1) {
    const auto buckets = Of({absl::Microseconds(micros)}).Buckets();
    ASSERT_EQ(buckets.size(), 1u);
    const auto value = static_cast<std::uint64_t>(micros);
    EXPECT_LE(buckets[0].from, value);
    EXPECT_GT(buckets[0].to, value);
    EXPECT_LE(buckets[0].to - buckets[0].from, std::max<std::uint64_t>(1, buckets[0].from / 16));
    EXPECT_EQ(buckets[0].count, 1u);
  }
}

TEST(DurationHistogramTest, BucketsHaveNoGapsBetweenThem) {
  DurationHistogram all;
  for (std::int64_t micros = 0; micros < 4096; ++micros) all.Add(absl::Microseconds(micros));
  std::uint64_t at = 0;
  for (const Bucket& bucket : all.Buckets()) {
    EXPECT_EQ(bucket.from, at);
    EXPECT_EQ(bucket.count, bucket.to - bucket.from);
    at = bucket.to;
  }
  EXPECT_EQ(at, 4096u);
}

TEST(DurationHistogramTest, CountsDurationsOutOfRangeInTheFirstOrLastBucket) {
  EXPECT_THAT(Of({absl::Microseconds(-5), absl::Nanoseconds(900)}).Buckets(),
              ElementsAre(Bucket{.from = 0, .to = 1, .count = 2}));
  EXPECT_THAT(Of({absl::Hours(2), absl::InfiniteDuration()}).Buckets(),
              ElementsAre(Bucket{
                  .from = std::uint64_t{31} << 27, .to = std::uint64_t{32} << 27, .count = 2}));
}

TEST(DurationHistogramTest, AddsOneHistogramToAnother) {
  DurationHistogram sum = Of({absl::Microseconds(3), absl::Microseconds(100)});
  sum.Add(Of({absl::Microseconds(3), absl::Microseconds(7)}));
  EXPECT_THAT(sum.Buckets(), ElementsAre(Bucket{3, 4, 2}, Bucket{7, 8, 1}, Bucket{100, 104, 1}));
  EXPECT_EQ(sum.sum_micros(), 113u);
  EXPECT_EQ(sum.count(), 4u);
}

}  // namespace
}  // namespace recycling
