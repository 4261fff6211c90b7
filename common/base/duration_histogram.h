#ifndef RECYCLING_COMMON_BASE_DURATION_HISTOGRAM_H_
#define RECYCLING_COMMON_BASE_DURATION_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace recycling {

// How many durations of which size, in bounded memory. Buckets are whole microseconds below 16,
// then 16 for each doubling up to 2^32 (a bucket is at most 1/16 of what is in it); what is longer
// counts as the last, what is negative as 0. Threads: one.
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

  // Those that are not empty, ascending.
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
