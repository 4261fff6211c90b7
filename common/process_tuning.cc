#include "common/process_tuning.h"

#include <cstdlib>

#include "absl/synchronization/mutex.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace recycling {

void TuneProcess() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#ifdef __GLIBC__
  constexpr int kMiB = 1 << 20;
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, kMiB);
  mallopt(M_TRIM_THRESHOLD, kMiB);
#endif
  setenv("GRPC_POLL_STRATEGY", "poll", /*overwrite=*/0);
}

}  // namespace recycling
