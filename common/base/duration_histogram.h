#ifndef RECYCLING_COMMON_BASE_DURATION_HISTOGRAM_H_
#define RECYCLING_COMMON_BASE_DURATION_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace recycling {

// Counts durations by size, in bounded memory. Below 16 us there is one bucket for each
// microsecond. From there to 2^32 us, each doubling has 16 buckets, so the width of a bucket is at
// most 1/16 of its lower bound. Longer durations count in the last bucket, negative ones as 0.
// Threads: one.
class DurationHistogram {
 public:
  // [from, to) microseconds.
  struct Bucket {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::uint64_t count = 0;

    bool operator==(const Bucket&) const = default;
  };

  void Add(absl::Duration duration);
  void Add(const DurationHistogram& other);

  // The buckets that are not empty, ascending.
  std::vector<Bucket> Buckets() const;
  std::uint64_t sum_micros() const { return sum_micros_; }
  std::uint64_t count() const { return count_; }

 private:
  static constexpr int kBits = 4;  // 2^kBits buckets a doubling
  static constexpr int kDoublings = 28;
  static constexpr std::size_t kBuckets = std::size_t{kDoublings + 1} << kBits;

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t sum_micros_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_DURATION_HISTOGRAM_H_
