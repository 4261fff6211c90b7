// Where peers are: as flags say it and as names resolve.
#ifndef RECYCLING_GATEWAY_FLEET_PEER_TARGET_H_
#define RECYCLING_GATEWAY_FLEET_PEER_TARGET_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace recycling::gateway {

// One entry of a peer list.
struct PeerTarget {
  std::string address;   // "host:port", "unix:/path"; for a name "name:port"
  bool is_name = false;  // resolves to any number of addresses, again and again

  bool operator==(const PeerTarget&) const = default;
};

// Reads a comma-separated list: "host:port" (one peer; "[::1]:port" for IPv6), "unix:/path" (one
// peer), "dns:///name:port" (a peer for each address of the name). Spaces around entries and empty
// entries are ignored, so "" is the empty list. InvalidArgument naming the entry: no port, a port
// outside 1 to 65535, another scheme, an entry given twice.
absl::StatusOr<std::vector<PeerTarget>> ParsePeerList(std::string_view list);

// Threads: any.
class Resolver {
 public:
  virtual ~Resolver() = default;

  // Addresses "ip:port" behind "name:port", distinct, ascending. May block for seconds. Unavailable
  // or NotFound if the name gives none.
  virtual absl::StatusOr<std::vector<std::string>> Resolve(const std::string& name_port) = 0;
};

// The machine's resolver (getaddrinfo). Never destroyed.
Resolver& SystemResolver();

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_TARGET_H_
