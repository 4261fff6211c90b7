// Finds out whether a server speaks TLS, for error messages that name the cause.
#ifndef RECYCLING_COMMON_NET_SERVER_PROBE_H_
#define RECYCLING_COMMON_NET_SERVER_PROBE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace recycling {

enum class ServerSpeaks {
  kUnknown,  // the server cannot be reached, does not answer in time, or uses neither
  kTls,
  kPlainHttp2  // HTTP/2 without TLS, as in plaintext gRPC
};

// Connects to `address` ("host:port" or "unix:/path"), sends a TLS ClientHello and looks at the
// first bytes of the answer. Returns within `timeout`, not counting name resolution.
ServerSpeaks ProbeServer(const std::string& address, absl::Duration timeout);

// Explains why a call to `address` failed with `status`. If that is Unavailable, probes the server,
// which takes up to a second. If one side uses TLS and the other does not, returns Unavailable with
// a message that says so, says what to do with `tls_flag`, and quotes the old message. Else returns
// `status`. `tls`: whether the channel uses TLS. `tls_flag`: the client's flag that turns TLS on.
absl::Status ExplainUnavailable(const absl::Status& status, const std::string& address, bool tls,
                                const std::string& tls_flag);

}  // namespace recycling

#endif  // RECYCLING_COMMON_NET_SERVER_PROBE_H_
