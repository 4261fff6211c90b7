#include "common/base/clock.h"

#include <chrono>

#include "absl/time/clock.h"

namespace recycling {
namespace {

class MachineClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
  absl::Duration Monotonic() const override {
    return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
  }
};

}  // namespace

const Clock& RealClock() {
  static const MachineClock* const clock = new MachineClock;
  return *clock;
}

}  // namespace recycling
