// Addresses to listen on: how to resolve them, and whether only this machine can reach them.
#ifndef RECYCLING_COMMON_NET_LISTEN_ADDRESS_H_
#define RECYCLING_COMMON_NET_LISTEN_ADDRESS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/base/host_port.h"

struct addrinfo;

namespace recycling {

struct FreeAddresses {
  void operator()(addrinfo* list) const;
};
using AddressList = std::unique_ptr<addrinfo, FreeAddresses>;

// Resolves `address` to the addresses that a listening socket must be bound to, at least one. An
// empty host, 0.0.0.0 and :: mean every interface, of IPv4 and IPv6. On failure Unavailable; its
// message is the resolver's reason alone.
absl::StatusOr<AddressList> Resolve(const HostPort& address);

// Whether all addresses of the list are 127.x.y.z or ::1.
bool AllLoopback(const addrinfo* list);

// Whether only this machine can reach "unix:/path" or "host:port". False for other text and for a
// host that does not resolve.
bool ListensOnThisMachine(const std::string& address);

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_LISTEN_ADDRESS_H_
