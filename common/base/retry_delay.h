// When to try again, carried by an absl::Status. Over gRPC it travels as google.rpc.RetryInfo
// (status_grpc.h).
#ifndef RECYCLING_COMMON_BASE_RETRY_DELAY_H_
#define RECYCLING_COMMON_BASE_RETRY_DELAY_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace recycling {

// `status`, which is not OK, with "try again in `delay`". Below 0 counts as 0, more than a day as a
// day; nanoseconds are kept.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// What WithRetryDelay said; absent if nothing was.
std::optional<absl::Duration> RetryDelay(const absl::Status& status);

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_RETRY_DELAY_H_
