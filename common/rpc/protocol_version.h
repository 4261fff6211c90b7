#ifndef RECYCLING_COMMON_RPC_PROTOCOL_VERSION_H_
#define RECYCLING_COMMON_RPC_PROTOCOL_VERSION_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace recycling {

// The version that handshakes send and compare. Raise it for a change after which an older program
// would misread a newer one; see protos/README.md.
inline constexpr std::uint32_t kProtocolVersion = 1;

// Returns FailedPrecondition if the peer's version is another one.
inline absl::Status CheckProtocolVersion(std::uint32_t version) {
  if (version == kProtocolVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("protocol_version: got ", version, ", expected ", kProtocolVersion));
}

}  // namespace recycling

#endif  // RECYCLING_COMMON_RPC_PROTOCOL_VERSION_H_
