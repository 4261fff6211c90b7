#ifndef RECYCLING_COMMON_RPC_PROTOCOL_VERSION_H_
#define RECYCLING_COMMON_RPC_PROTOCOL_VERSION_H_

#include <cstdint>

namespace recycling {

// The version that handshakes send and compare. Raise it for a change after which an older program
// would misread a newer one; see protos/README.md.
inline constexpr std::uint32_t kProtocolVersion = 1;

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_PROTOCOL_VERSION_H_
