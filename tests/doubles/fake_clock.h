// A clock that moves only when a test moves it.
#ifndef RECYCLING_TESTS_DOUBLES_FAKE_CLOCK_H_
#define RECYCLING_TESTS_DOUBLES_FAKE_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "common/base/clock.h"

namespace recycling::doubles {

// Threads: all methods may be called from any thread.
class FakeClock final : public Clock {
 public:
  // Starts at `start`; the monotonic time starts at 0.
  explicit FakeClock(absl::Time start = absl::FromUnixSeconds(1'700'000'000)) : start_(start) {}

  absl::Time Now() const override { return start_ + Monotonic(); }
  absl::Duration Monotonic() const override { return absl::Nanoseconds(nanos_.load()); }

  // Both times move by `by`, at a resolution of nanoseconds.
  void Advance(absl::Duration by) { nanos_ += absl::ToInt64Nanoseconds(by); }

 private:
  const absl::Time start_;
  std::atomic<std::int64_t> nanos_ = 0;
};

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_FAKE_CLOCK_H_
