// The command line flags of the programs that run a gateway.
#ifndef RECYCLING_GATEWAY_GATEWAY_FLAGS_H_
#define RECYCLING_GATEWAY_GATEWAY_FLAGS_H_

#include <cstdint>
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

// Starts the HTTP door of --http_listen; null if the flag is empty. Errors as
// GatewayServer::StartHttp, with the name of the flag.
absl::StatusOr<std::unique_ptr<HttpDoor>> StartHttpFromFlags(GatewayServer& gateway,
                                                             bool allow_plaintext);

// The limit for the bytes of all outputs that clients have not read yet: half of the memory that
// `limits` allows for all connections together.
std::uint64_t UnreadBytes(const ConnectionLimits& limits);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GATEWAY_FLAGS_H_
