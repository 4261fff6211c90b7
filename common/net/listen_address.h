// Addresses to listen on: how they are written, what they lead to, and who reaches that.
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

// What a socket that listens there is to be bound to, at least one; an empty host, 0.0.0.0 and ::
// are every interface, of IPv4 and IPv6. Unavailable with the resolver's reason and nothing else.
absl::StatusOr<AddressList> Resolve(const HostPort& address);

// Whether all of them are 127.x.y.z or ::1.
bool AllLoopback(const addrinfo* list);

// Whether "unix:/path" or "host:port" is reached from this machine alone. False for what is neither
// or leads nowhere.
bool ListensOnThisMachine(const std::string& address);

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_LISTEN_ADDRESS_H_
