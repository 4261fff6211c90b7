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
#include "common/program/program.h"
#include "common/rpc/rpc_server.h"

namespace recycling {

// A service's main: blocks stop signals, parses flags, refuses positional arguments, calls `run`,
// which serves until a stop signal, and says on stderr why it failed. Meanwhile memory that large
// messages took is given back (memory_trimmer.h). Returns kExitUsage for
// InvalidArgument, kExitFailure for any other error. Call first in main.
int RunService(int argc, char** argv, const ProgramInfo& info,
               const std::function<absl::Status()>& run);

// Starts an RpcServer on `listen` with --health_listen, --port_file and ServerOptionsFromFlags.
// InvalidArgument if `listen` is empty; else as these and RpcServer::Start.
absl::StatusOr<std::unique_ptr<RpcServer>> StartService(const std::vector<std::string>& listen,
                                                        grpc::Service* service,
                                                        const std::string& health_name);

// The same with `options` instead of what the flags of server_flags.h say, for programs that start
// more than one server.
absl::StatusOr<std::unique_ptr<RpcServer>> StartService(RpcServerOptions options,
                                                        const std::vector<std::string>& listen,
                                                        grpc::Service* service,
                                                        const std::string& health_name);

// Stops in order: the service's health becomes NOT_SERVING, `before_shutdown` (may be null) runs
// while calls are still taken, for example to say in handshakes that this is draining and to refuse
// new requests, then new calls are refused and running ones get --drain_grace to end. The grace
// begins when `before_shutdown` returns.
void StopService(RpcServer& server, const std::function<void()>& before_shutdown = nullptr);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_SERVICE_PROGRAM_H_
