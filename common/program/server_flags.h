// The flags by which every service says how it is reached and how much it takes from connections.
#ifndef RECYCLING_COMMON_PROGRAM_SERVER_FLAGS_H_
#define RECYCLING_COMMON_PROGRAM_SERVER_FLAGS_H_

#include "absl/status/statusor.h"
#include "common/program/flag_group.h"
#include "common/rpc/rpc_server.h"

namespace recycling {

FlagGroup TlsFlags();
FlagGroup ConnectionFlags();

// Options of `servers` (at least 1) servers of one process, as the flags of server_flags.cc say:
// credentials, plaintext and limits; the rest is left as it is. Raises the process's limit of
// descriptors to what they need; where the system does not give that, fewer connections are
// allowed, and the log says so. InvalidArgument naming the flag or TLS file that is wrong;
// ResourceExhausted if there are too few descriptors for any connection. Call once in a process.
absl::StatusOr<RpcServerOptions> ServerOptionsFromFlags(int servers = 1);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_SERVER_FLAGS_H_
