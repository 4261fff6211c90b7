// The flag by which a service says how long its streams may be idle.
#ifndef RECYCLING_COMMON_PROGRAM_STREAM_FLAGS_H_
#define RECYCLING_COMMON_PROGRAM_STREAM_FLAGS_H_

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace recycling {

// --stream_idle_timeout. InvalidArgument unless it is 0 or 1 s to 24 h.
absl::StatusOr<absl::Duration> StreamIdleTimeoutFromFlag();

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_STREAM_FLAGS_H_
