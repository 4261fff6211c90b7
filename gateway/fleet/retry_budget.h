#ifndef RECYCLING_GATEWAY_FLEET_RETRY_BUDGET_H_
#define RECYCLING_GATEWAY_FLEET_RETRY_BUDGET_H_

#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling::gateway {

struct RetryBudgetOptions {
  double burst = 64;         // retries at once, at least 1
  double per_request = 0.2;  // retries that each request adds, at least 0
  double per_second = 1;  // retries that each second adds, above 0, so that no retry waits for ever
};

// Bounds how much load retries add to the peers. It is a token bucket: it is full at first, each
// retry takes one token, and requests and time refill it. It reads no clock. Threads: any.
class RetryBudget {
 public:
  explicit RetryBudget(RetryBudgetOptions options = {}) : options_(options), left_(options.burst) {}

  // A request has begun.
  void Request();

  // Takes one retry at `now` (Clock::Monotonic()). False if none is left.
  bool Take(absl::Duration now);

 private:
  void Add(double retries) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const RetryBudgetOptions options_;
  Mutex mutex_;
  double left_ ABSL_GUARDED_BY(mutex_);  // 0 to burst
  absl::Duration filled_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_RETRY_BUDGET_H_
