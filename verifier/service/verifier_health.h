#ifndef RECYCLING_VERIFIER_SERVICE_VERIFIER_HEALTH_H_
#define RECYCLING_VERIFIER_SERVICE_VERIFIER_HEALTH_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "common/base/mutex.h"

namespace recycling::verifier {

// Reports whether a pass hangs, to one function and to the log. Threads: any.
class VerifierHealth {
 public:
  // `check` returns an error while a pass hangs; see Scheduler::CheckPasses.
  explicit VerifierHealth(std::function<absl::Status()> check) : check_(std::move(check)) {}

  // Calls tell(false) if a pass hangs and tell(true) if not: once now, and each time that Look
  // finds a change. `tell` must not call this object. `tell` replaces the function of the previous
  // call, which is not called any more after this call returns. Null: no function.
  void OnChange(std::function<void(bool)> tell);

  // Checks once. Call this about every second.
  void Look();

 private:
  const std::function<absl::Status()> check_;
  Mutex mutex_;
  bool healthy_ ABSL_GUARDED_BY(mutex_) = true;
  std::function<void(bool)> tell_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_HEALTH_H_
