#include "common/rpc/cancel_call.h"

#include <grpc/grpc.h>

#include "common/rpc/status_grpc.h"

namespace recycling {

void CancelCall(grpc_call* call, const absl::Status& why) {
  const grpc::Status status = ToGrpcStatus(why);
  grpc_call_cancel_with_status(call, static_cast<grpc_status_code>(status.error_code()),
                               status.error_message().c_str(), nullptr);
}

}  // namespace recycling
