// Flags that every service has: TLS and the limits of connections.
#ifndef RECYCLING_COMMON_PROGRAM_SERVER_FLAGS_H_
#define RECYCLING_COMMON_PROGRAM_SERVER_FLAGS_H_

#include <optional>

#include "absl/status/statusor.h"
#include "common/net/tls_credentials.h"
#include "common/program/flag_group.h"
#include "common/rpc/rpc_server.h"

namespace recycling {

FlagGroup TlsFlags();
FlagGroup ConnectionFlags();

// What the TLS flags say. Nothing if none of them is set. InvalidArgument for a certificate without
// a key, and for other flags without both.
absl::StatusOr<std::optional<ServerTlsOptions>> ServerTlsFromFlags();

// Options for `servers` (at least 1) servers of one process. Sets credentials, plaintext and limits
// from the flags in server_flags.cc and leaves the rest at its defaults. Raises the process's limit
// of descriptors to the number that the servers need. If the system does not allow that, allows
// fewer connections and logs a warning. InvalidArgument that names the wrong flag or TLS file.
// ResourceExhausted if there are too few descriptors for any connection. Call once in a process.
absl::StatusOr<RpcServerOptions> ServerOptionsFromFlags(int servers = 1);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_SERVER_FLAGS_H_
