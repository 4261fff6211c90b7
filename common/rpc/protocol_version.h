#ifndef RECYCLING_COMMON_RPC_PROTOCOL_VERSION_H_
#define RECYCLING_COMMON_RPC_PROTOCOL_VERSION_H_

#include <cstdint>

namespace recycling {

// What handshakes say and compare. Changes when a party built before the change would misread one
// built after; see protos/README.md.
inline constexpr std::uint32_t kProtocolVersion = 1;

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_PROTOCOL_VERSION_H_
