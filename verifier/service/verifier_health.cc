#include "verifier/service/verifier_health.h"

#include <utility>

#include "common/base/log.h"

namespace recycling::verifier {

void VerifierHealth::OnChange(std::function<void(bool)> tell) {
  MutexLock lock(mutex_);
  tell_ = std::move(tell);
  if (tell_) tell_(healthy_);
}

void VerifierHealth::Look() {
  const absl::Status passes = check_();
  MutexLock lock(mutex_);
  if (passes.ok() == healthy_) return;
  healthy_ = passes.ok();
  if (healthy_) {
    Log(LogLevel::kInfo, "no pass hangs any more");
  } else {
    Log(LogLevel::kError, "a pass hangs", {{"status", passes.ToString()}});
  }
  if (tell_) tell_(healthy_);
}

}  // namespace recycling::verifier
