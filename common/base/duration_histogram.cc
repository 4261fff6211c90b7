#include "common/base/duration_histogram.h"

#include <algorithm>
#include <bit>

namespace recycling {

void DurationHistogram::Add(absl::Duration duration) {
  const auto micros =
      static_cast<std::uint64_t>(std::max(absl::ToInt64Microseconds(duration), std::int64_t{0}));
  sum_micros_ += micros;
  ++count_;
  // Below 2^kBits the value is the bucket's index. Above, its highest kBits + 1 bits and their
  // position give the index.
  const int shift = std::max(static_cast<int>(std::bit_width(micros)) - kBits - 1, 0);
  const std::size_t bucket =
      (static_cast<std::size_t>(shift) << kBits) + static_cast<std::size_t>(micros >> shift);
  ++counts_[std::min(bucket, kBuckets - 1)];
}

void DurationHistogram::Add(const DurationHistogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  sum_micros_ += other.sum_micros_;
  count_ += other.count_;
}

std::vector<DurationHistogram::Bucket> DurationHistogram::Buckets() const {
  constexpr std::uint64_t kPerDoubling = 1u << kBits;
  std::vector<Bucket> buckets;
  for (std::uint64_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] == 0) continue;
    const std::uint64_t shift = i < kPerDoubling ? 0 : (i >> kBits) - 1;
    const std::uint64_t high = i - (shift << kBits);
    buckets.push_back({.from = high << shift, .to = (high + 1) << shift, .count = counts_[i]});
  }
  return buckets;
}

}  // namespace recycling
