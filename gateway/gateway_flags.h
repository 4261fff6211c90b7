// Flags of a gateway, for the programs that hold one.
#ifndef RECYCLING_GATEWAY_GATEWAY_FLAGS_H_
#define RECYCLING_GATEWAY_GATEWAY_FLAGS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/program/flag_group.h"
#include "common/rpc/rpc_server.h"
#include "gateway/gateway.h"

namespace recycling::gateway {

std::vector<FlagGroup> GatewayFlags();

// Options without peers. InvalidArgument for --tenant_limits that cannot be parsed; ranges are
// CreateGateway's to check.
absl::StatusOr<GatewayOptions> OptionsFromFlags();

// Bytes that outputs may take which wait to be read: half of what the connections' buffers may.
std::uint64_t UnreadBytes(const ConnectionLimits& limits);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GATEWAY_FLAGS_H_
