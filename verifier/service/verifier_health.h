#ifndef RECYCLING_VERIFIER_SERVICE_VERIFIER_HEALTH_H_
#define RECYCLING_VERIFIER_SERVICE_VERIFIER_HEALTH_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "common/base/mutex.h"

namespace recycling::verifier {

// Says whether passes still end, to who wants to know and in the log. Threads: any.
class VerifierHealth {
 public:
  // `check` says why passes do not end, as Scheduler::CheckPasses.
  explicit VerifierHealth(std::function<absl::Status()> check) : check_(std::move(check)) {}

  // `tell` hears now how it is, then of every change that a Look finds; it must not call back.
  // Whoever was told before is not called any more once this returns. Null: nobody.
  void OnChange(std::function<void(bool)> tell);

  // To be called about every second.
  void Look();

 private:
  const std::function<absl::Status()> check_;
  Mutex mutex_;
  bool healthy_ ABSL_GUARDED_BY(mutex_) = true;
  std::function<void(bool)> tell_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_HEALTH_H_
