#include "common/program/process_tuning.h"

#include <cstdlib>

#include "absl/synchronization/mutex.h"

namespace recycling {

void TuneProcess() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  setenv("GRPC_POLL_STRATEGY", "poll", /*overwrite=*/0);
}

}  // namespace recycling
