// What the mains of the services share: the flags each of them has, and how it starts, stops and
// fails.
#ifndef RECYCLING_COMMON_PROGRAM_SERVICE_PROGRAM_H_
#define RECYCLING_COMMON_PROGRAM_SERVICE_PROGRAM_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/program/program.h"
#include "common/program/server_flags.h"
#include "common/rpc/rpc_server.h"

namespace recycling {

// A service's main: blocks stop signals, parses flags, refuses positional arguments, calls `run`,
// which serves until a stop signal, and says on stderr why it failed. Meanwhile memory that large
// messages took is given back (memory_trimmer.h). `info` names the program's own flags, among its
// defaults that of --listen; the flags that every service has are added to them. Returns
// kExitUsage for InvalidArgument, kExitFailure for any other error. Call first in main.
int RunService(int argc, char** argv, ProgramInfo info, const std::function<absl::Status()>& run);

// The addresses of --listen.
std::vector<std::string> ListenAddresses();

// Starts an RpcServer on --listen with --health_listen and --port_file; `options`, which come from
// ServerOptionsFromFlags, say the rest. InvalidArgument without an address; else as
// RpcServer::Start.
absl::StatusOr<std::unique_ptr<RpcServer>> StartService(RpcServerOptions options,
                                                        grpc::Service* service,
                                                        const std::string& health_name);

// Stops in order: the service's health becomes NOT_SERVING; `before_shutdown` (may be null) runs
// with --drain_grace while calls are still taken, for example to say in handshakes that this drains
// and to refuse new requests; then new calls are refused, and running ones get --drain_grace,
// which begins when `before_shutdown` returns, to end.
void StopService(RpcServer& server,
                 const std::function<void(absl::Duration grace)>& before_shutdown = nullptr);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_SERVICE_PROGRAM_H_
