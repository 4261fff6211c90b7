#include "gateway/fleet/retry_budget.h"

#include <algorithm>

namespace recycling::gateway {

void RetryBudget::Add(double retries) { left_ = std::min(options_.burst, left_ + retries); }

void RetryBudget::Request() {
  MutexLock lock(mutex_);
  Add(options_.per_request);
}

bool RetryBudget::Take(absl::Duration now) {
  MutexLock lock(mutex_);
  if (now > filled_) {
    Add(options_.per_second * absl::ToDoubleSeconds(now - filled_));
    filled_ = now;
  }
  if (left_ < 1) return false;
  left_ -= 1;
  return true;
}

}  // namespace recycling::gateway
