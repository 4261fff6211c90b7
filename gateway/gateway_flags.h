// Flags of a gateway, for the programs that hold one.
#ifndef RECYCLING_GATEWAY_GATEWAY_FLAGS_H_
#define RECYCLING_GATEWAY_GATEWAY_FLAGS_H_

#include "gateway/gateway.h"

namespace recycling::gateway {

// Without peers.
GatewayOptions OptionsFromFlags();

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GATEWAY_FLAGS_H_
