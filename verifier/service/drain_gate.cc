#include "verifier/service/drain_gate.h"

#include <utility>

#include "common/base/clock.h"

namespace recycling::verifier {

absl::Status DrainGate::Enter(const void* who, std::function<void()> cancel) {
  MutexLock lock(mutex_);
  if (draining_) return absl::UnavailableError("the verifier drains and takes no new sequences");
  inside_[who] = std::move(cancel);
  return absl::OkStatus();
}

void DrainGate::Leave(const void* who) {
  MutexLock lock(mutex_);
  if (inside_.erase(who) > 0) left_.NotifyAll();
}

bool DrainGate::draining() const {
  MutexLock lock(mutex_);
  return draining_;
}

bool DrainGate::AwaitEmpty(absl::Duration at_most) {
  const absl::Duration until = RealClock().Monotonic() + at_most;
  while (!inside_.empty()) {
    const absl::Duration wait = until - RealClock().Monotonic();
    if (wait <= absl::ZeroDuration()) return false;
    left_.WaitFor(mutex_, wait);
  }
  return true;
}

void DrainGate::Drain(absl::Duration grace) {
  MutexLock lock(mutex_);
  draining_ = true;
  if (AwaitEmpty(grace)) return;
  for (auto& [who, cancel] : inside_) {
    if (cancel) std::exchange(cancel, nullptr)();
  }
  AwaitEmpty(absl::Seconds(1));
}

}  // namespace recycling::verifier
