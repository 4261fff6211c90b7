#ifndef RECYCLING_COMMON_BASE_HOST_PORT_H_
#define RECYCLING_COMMON_BASE_HOST_PORT_H_

#include <optional>
#include <string>
#include <string_view>

namespace recycling {

struct HostPort {
  std::string host;  // for resolvers: an IPv6 address without brackets
  std::string text;  // the host as it was written
  int port = 0;      // 0 to 65535

  bool operator==(const HostPort&) const = default;
};

// Reads an address to listen on:
//
//   address = [ host ] ":" port
//   host    = 1 or more of [A-Za-z0-9._-] / "[" IPv6 address [ "%" zone ] "]"
//   port    = 1 to 5 digits, up to 65535
//
// Any other text gives nullopt.
std::optional<HostPort> ParseHostPort(std::string_view address);

// Reads an address to connect to: as above, but with a host and a port of at least 1.
std::optional<HostPort> ParseTarget(std::string_view address);

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_HOST_PORT_H_
