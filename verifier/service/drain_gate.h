#ifndef RECYCLING_VERIFIER_SERVICE_DRAIN_GATE_H_
#define RECYCLING_VERIFIER_SERVICE_DRAIN_GATE_H_

#include <functional>
#include <map>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling::verifier {

// Lets sequences in until the verifier drains, and waits for those inside to leave. Threads: any.
class DrainGate {
 public:
  // `who` is inside until Leave. `cancel` makes it leave soon; it is called at most once, from
  // Drain, and must not call back. Unavailable while draining.
  absl::Status Enter(const void* who, std::function<void()> cancel);

  // Nothing if `who` is not inside.
  void Leave(const void* who);

  // For good, from the first Drain on.
  bool draining() const;

  // Lets nobody in any more. Returns once all have left; those inside after `grace` are cancelled
  // and waited for a second more.
  void Drain(absl::Duration grace);

 private:
  // Whether all have left by then.
  bool AwaitEmpty(absl::Duration at_most) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  CondVar left_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<const void*, std::function<void()>> inside_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_DRAIN_GATE_H_
