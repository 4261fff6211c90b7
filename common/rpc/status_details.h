// The bytes of google.rpc.Status with a google.rpc.RetryInfo, which the distribution's gRPC ships
// no generated code for.
//   Status    { int32 code = 1; string message = 2; repeated Any details = 3; }
//   RetryInfo { Duration retry_delay = 1; }
#ifndef RECYCLING_COMMON_RPC_STATUS_DETAILS_H_
#define RECYCLING_COMMON_RPC_STATUS_DETAILS_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace recycling {

// `message` must be UTF-8.
std::string EncodeStatusDetails(int code, const std::string& message, absl::Duration retry_delay);

// The retry delay in `bytes`, at least 0; absent if there is none or the bytes cannot be read.
std::optional<absl::Duration> DecodeRetryDelay(std::string_view bytes);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_STATUS_DETAILS_H_
