// Converts between absl::Status and grpc::Status. No other code does. Codes have equal values on
// both sides. Messages are cut to 1 KiB, so that they fit into HTTP/2 trailers. A retry delay
// (retry_delay.h) is sent as google.rpc.RetryInfo within google.rpc.Status, in
// `grpc-status-details-bin`. Other details are dropped.
#ifndef RECYCLING_COMMON_RPC_STATUS_GRPC_H_
#define RECYCLING_COMMON_RPC_STATUS_GRPC_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace recycling {

grpc::Status ToGrpcStatus(const absl::Status& status);

// A code outside the canonical range becomes Unknown. Details that cannot be parsed are left out.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_STATUS_GRPC_H_
