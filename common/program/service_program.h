// Code that the main functions of the services share: common flags, start and stop.
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

// The main function of a service. Blocks stop signals, parses flags and refuses positional
// arguments. Then calls `run`, which serves until a stop signal comes. While `run` runs, a thread
// gives freed memory back (memory_trimmer.h). If `run` fails, prints the error on stderr. `info`
// names the program's own flags and gives a default for --listen; the flags of every service are
// added. Returns kExitUsage for InvalidArgument, kExitFailure for any other error. Call first in
// main.
int RunService(int argc, char** argv, ProgramInfo info, const std::function<absl::Status()>& run);

// The addresses of --listen.
std::vector<std::string> ListenAddresses();

// Starts an RpcServer on --listen, --health_listen and --port_file. The other `options` come from
// ServerOptionsFromFlags. InvalidArgument without an address. Other errors as RpcServer::Start.
absl::StatusOr<std::unique_ptr<RpcServer>> StartService(RpcServerOptions options,
                                                        grpc::Service* service,
                                                        const std::string& health_name);

// Stops the server in this order:
//  1. The service's health becomes NOT_SERVING.
//  2. `before_shutdown`, if not null, runs with --drain_grace as its argument. The server still
//     accepts calls, so it can, for example, announce the drain in handshakes and refuse new
//     requests.
//  3. The server refuses new calls. Running calls have another --drain_grace to end.
void StopService(RpcServer& server,
                 const std::function<void(absl::Duration grace)>& before_shutdown = nullptr);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_SERVICE_PROGRAM_H_
