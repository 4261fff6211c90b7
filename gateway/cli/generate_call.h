// Starts the call that a command makes for a prompt.
#ifndef RECYCLING_GATEWAY_CLI_GENERATE_CALL_H_
#define RECYCLING_GATEWAY_CLI_GENERATE_CALL_H_

#include <grpcpp/grpcpp.h>

#include <memory>

#include "recycling/gateway/v1/gateway.grpc.pb.h"

namespace recycling::cli {

// Calls Generate. With --chat it calls Chat instead: the prompt, which must be a text, becomes the
// message of a user. `context` must outlive the result.
std::unique_ptr<grpc::ClientReaderInterface<gateway::v1::GenerateResponse>> StartGenerate(
    gateway::v1::GatewayService::StubInterface& stub, grpc::ClientContext* context,
    const gateway::v1::GenerateRequest& request);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_GENERATE_CALL_H_
