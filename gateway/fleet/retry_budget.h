#ifndef RECYCLING_GATEWAY_FLEET_RETRY_BUDGET_H_
#define RECYCLING_GATEWAY_FLEET_RETRY_BUDGET_H_

#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling::gateway {

struct RetryBudgetOptions {
  double burst = 64;         // retries at once, at least 1
  double per_request = 0.2;  // retries that each request adds, 0 and more
  double per_second = 1;     // retries that each second adds, above 0, so that nobody starves
};

// Bounds what retries add to the load of the peers: a bucket of retries that requests and time
// fill. It is full at first. Time is what it is told. Threads: any.
class RetryBudget {
 public:
  explicit RetryBudget(RetryBudgetOptions options = {}) : options_(options), left_(options.burst) {}

  // A request has begun.
  void Request();

  // Takes one retry; false if there is none at `now` (Clock::Monotonic()).
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
