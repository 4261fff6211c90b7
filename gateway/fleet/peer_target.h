// The addresses of peers: how flags and files write them, and how names are resolved.
#ifndef RECYCLING_GATEWAY_FLEET_PEER_TARGET_H_
#define RECYCLING_GATEWAY_FLEET_PEER_TARGET_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace recycling::gateway {

// One entry of a peer list.
struct PeerTarget {
  std::string address;   // "host:port" or "unix:/path"; for a name "name:port"
  bool is_name = false;  // a name stands for all addresses to which it resolves

  bool operator==(const PeerTarget&) const = default;
};

// Reads a comma-separated list of entries: "host:port" (one peer; see host_port.h), "unix:/path"
// (one peer), "dns:///name:port" (one peer for each address of the name). Spaces around entries and
// empty entries are ignored, so "" is the empty list. Returns InvalidArgument with the entry if an
// entry has none of these forms or is listed twice.
absl::StatusOr<std::vector<PeerTarget>> ParsePeerList(std::string_view list);

// Threads: any.
class Resolver {
 public:
  virtual ~Resolver() = default;

  // The addresses "ip:port" of "name:port", distinct and ascending. May block for seconds. Returns
  // Unavailable or NotFound if the name has none, and InvalidArgument if `name_port` is not a name
  // and a port.
  virtual absl::StatusOr<std::vector<std::string>> Resolve(const std::string& name_port) = 0;
};

// The machine's resolver (getaddrinfo). Never destroyed.
Resolver& SystemResolver();

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_TARGET_H_
