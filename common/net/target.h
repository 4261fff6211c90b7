// Addresses that a client connects to.
#ifndef RECYCLING_COMMON_NET_TARGET_H_
#define RECYCLING_COMMON_NET_TARGET_H_

#include <string>

#include "absl/status/status.h"

namespace recycling {

// Whether data sent to `address` stays on this machine: "unix:/path", or "host:port" whose host is
// localhost, 127.x.y.z or [::1]. False for any other name, whatever it resolves to.
bool StaysOnThisMachine(const std::string& address);

// OK for "host:port" (IPv6 in brackets, port 1 to 65535) and "unix:/path". InvalidArgument naming
// `what` otherwise.
absl::Status CheckTarget(const std::string& what, const std::string& address);

// OK if plaintext may go to `address`: it stays on this machine, or `allow_plaintext` is true. Else
// InvalidArgument that names `what` and the flag that turns TLS on, `tls_flag`.
absl::Status CheckPlaintext(const std::string& what, const std::string& address,
                            bool allow_plaintext, const std::string& tls_flag);

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_TARGET_H_
