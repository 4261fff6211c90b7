// The command line flags of the programs that run a gateway.
#ifndef RECYCLING_GATEWAY_GATEWAY_FLAGS_H_
#define RECYCLING_GATEWAY_GATEWAY_FLAGS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/program/flag_group.h"
#include "common/rpc/rpc_server.h"
#include "gateway/gateway.h"

namespace recycling::gateway {

// The flags in groups, for the output of --help.
std::vector<FlagGroup> GatewayFlags();

// Reads the flags. The result has no peers. Returns InvalidArgument if --tenant_limits cannot be
// parsed. Does not check ranges; CreateGateway does.
absl::StatusOr<GatewayOptions> OptionsFromFlags();

// Whether --http_listen names an address. Then the door takes as many connections as a gRPC server.
bool HttpIsOn();

// Starts the HTTP door of --http_listen; null if the flag is empty. The door has TLS, plaintext and
// the number of connections in common with a server of these options. Errors as
// GatewayServer::StartHttp, with the name of the flag.
absl::StatusOr<std::unique_ptr<HttpDoor>> StartHttpFromFlags(GatewayServer& gateway,
                                                             const RpcServerOptions& server);

// The URLs of the door; empty without one.
std::vector<std::string> HttpUrls(const HttpDoor* http);

// The limit for the bytes of all outputs that clients have not read yet: half of the memory that
// `limits` allows for all connections together.
std::uint64_t UnreadBytes(const ConnectionLimits& limits);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GATEWAY_FLAGS_H_
