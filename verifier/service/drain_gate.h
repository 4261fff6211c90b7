#ifndef RECYCLING_VERIFIER_SERVICE_DRAIN_GATE_H_
#define RECYCLING_VERIFIER_SERVICE_DRAIN_GATE_H_

#include <functional>
#include <map>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling::verifier {

// Counts the calls that use the verifier. Drain refuses new calls and waits for the current ones.
// Threads: any.
class DrainGate {
 public:
  // Registers the call `who`, which uses the verifier until Leave. Returns Unavailable after Drain
  // was called. `cancel` must make the call end soon. Drain calls `cancel` at most once. `cancel`
  // must not call this object.
  absl::Status Enter(const void* who, std::function<void()> cancel);

  // Removes the call `who`. Does nothing if `who` has not entered.
  void Leave(const void* who);

  // True after the first call of Drain, and never false again.
  bool draining() const;

  // Refuses new calls from now on, and waits until all calls have left. After `grace` it cancels
  // the calls that have not left, and waits at most one more second.
  void Drain(absl::Duration grace);

 private:
  // Waits at most `at_most` until all calls have left. Returns false if some have not.
  bool AwaitEmpty(absl::Duration at_most) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar left_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<const void*, std::function<void()>> inside_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_DRAIN_GATE_H_
