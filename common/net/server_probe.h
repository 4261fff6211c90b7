// Finds out whether a server speaks TLS, for error messages that name the cause.
#ifndef RECYCLING_COMMON_NET_SERVER_PROBE_H_
#define RECYCLING_COMMON_NET_SERVER_PROBE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace recycling {

enum class ServerSpeaks {
  kUnknown,    // it cannot be reached, does not answer in time, or speaks neither
  kTls,        //
  kPlainHttp2  // HTTP/2 without TLS, as gRPC in plaintext does
};

// Connects to `address` ("host:port" or "unix:/path"), says hello in TLS and looks at the first
// bytes that come back. Returns within `timeout`, not counting the resolver.
ServerSpeaks ProbeServer(const std::string& address, absl::Duration timeout);

// For a call to `address` that has failed with `status`. If that is Unavailable, probes the server
// within a second: where one side speaks TLS and the other does not, returns Unavailable whose
// message says so, says what to do with `tls_flag`, and quotes the old message. Else returns
// `status`. `tls`: whether the channel speaks TLS. `tls_flag`: the client's flag that asks for it.
absl::Status ExplainUnavailable(const absl::Status& status, const std::string& address, bool tls,
                                const std::string& tls_flag);

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_SERVER_PROBE_H_
