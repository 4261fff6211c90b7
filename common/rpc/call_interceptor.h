// Reports every call of a gRPC server to OpenCalls, whatever the service and the method.
#ifndef RECYCLING_COMMON_RPC_CALL_INTERCEPTOR_H_
#define RECYCLING_COMMON_RPC_CALL_INTERCEPTOR_H_

#include <grpcpp/support/server_interceptor.h>

#include <memory>
#include <vector>

#include "common/rpc/open_calls.h"

namespace recycling {

// Interceptors for grpc::ServerBuilder. If `calls` refuses or ends a call, the call is cancelled
// with the status that `calls` gives, and none of its later answers is sent. In-process calls are
// not counted or bounded. `calls` must outlive the server.
std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>>
CallInterceptors(OpenCalls& calls);

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_CALL_INTERCEPTOR_H_
