// Asks a server's grpc.health.v1 service.
#ifndef RECYCLING_COMMON_RPC_HEALTH_CLIENT_H_
#define RECYCLING_COMMON_RPC_HEALTH_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace recycling {

// True if `service` (empty: the server itself) is SERVING, false for any other state. NotFound if
// the server does not know the name. Unavailable if the server cannot be reached. DeadlineExceeded
// after `timeout`. Unimplemented if the server has no health service. DataLoss if the answer is not
// a health message.
absl::StatusOr<bool> CheckHealth(const std::shared_ptr<grpc::Channel>& channel,
                                 const std::string& service, absl::Duration timeout);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_HEALTH_CLIENT_H_
