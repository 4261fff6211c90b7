// A retry delay in an absl::Status. Over gRPC the delay travels as google.rpc.RetryInfo
// (status_grpc.h).
#ifndef RECYCLING_COMMON_BASE_RETRY_DELAY_H_
#define RECYCLING_COMMON_BASE_RETRY_DELAY_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace recycling {

// Returns `status` with the delay after which to try again. Requires that `status` is not OK. A
// delay below 0 counts as 0, one above 24 hours as 24 hours. Nanoseconds are kept.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// The delay that WithRetryDelay added; nothing if there is none.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_RETRY_DELAY_H_
