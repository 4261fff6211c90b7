// The bytes of a google.rpc.Status that holds a google.rpc.RetryInfo.
#ifndef RECYCLING_COMMON_RPC_STATUS_DETAILS_H_
#define RECYCLING_COMMON_RPC_STATUS_DETAILS_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace recycling {

// `message` must be UTF-8.
std::string EncodeStatusDetails(int code, const std::string& message, absl::Duration retry_delay);

// The retry delay in `bytes`, at least 0. Nothing if there is none, if the bytes are not such a
// message, or if they are more than 64 KiB.
std::optional<absl::Duration> DecodeRetryDelay(std::string_view bytes);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_STATUS_DETAILS_H_
