// Source of time. Code takes the time from a Clock, so that tests can set it.
#ifndef RECYCLING_COMMON_BASE_CLOCK_H_
#define RECYCLING_COMMON_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace recycling {

// Threads: all methods may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;

  // Wall time, for deadlines that cross processes.
  virtual absl::Time Now() const = 0;

  // Monotonic time since an arbitrary start, for durations.
  virtual absl::Duration Monotonic() const = 0;
};

// The machine's clock. Never destroyed.
const Clock& RealClock();

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_CLOCK_H_
