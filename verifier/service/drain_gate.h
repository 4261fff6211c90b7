#ifndef RECYCLING_VERIFIER_SERVICE_DRAIN_GATE_H_
#define RECYCLING_VERIFIER_SERVICE_DRAIN_GATE_H_

#include <functional>
#include <map>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling::verifier {

// Counts the calls that use the verifier. A drain refuses new ones and waits for the others.
// Threads: any.
class DrainGate {
 public:
  // The call `who` uses the verifier until Leave. Unavailable once draining. `cancel` must make the
  // call end soon. Drain calls it at most once; it must not call back.
  absl::Status Enter(const void* who, std::function<void()> cancel);

  // Ends what Enter began. Does nothing if `who` has not entered.
  void Leave(const void* who);

  // True from the first Drain on, for good.
  bool draining() const;

  // Refuses new calls from now on. Returns when all calls have left. After `grace` it cancels the
  // calls that are left and waits at most one second more.
  void Drain(absl::Duration grace);

 private:
  // Waits until all calls have left, for `at_most`. False if some are left.
  bool AwaitEmpty(absl::Duration at_most) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar left_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<const void*, std::function<void()>> inside_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_DRAIN_GATE_H_
