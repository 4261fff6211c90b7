#include "common/program/service_program.h"

#include <cstdio>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/time/time.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/ticker.h"
#include "common/program/grpc_log.h"
#include "common/program/log_flags.h"
#include "common/program/memory_trimmer.h"
#include "common/program/process_tuning.h"
#include "common/program/server_flags.h"

ABSL_FLAG(std::vector<std::string>, health_listen, {},
          "Addresses that answer health checks alone, as in --listen; always in plaintext, since "
          "probes carry no certificate.");
ABSL_FLAG(std::string, port_file, "",
          "File to write the bound addresses to once listening, one a line, those of --listen "
          "first. Empty: none.");
ABSL_FLAG(absl::Duration, drain_grace, absl::Seconds(30),
          "How long running requests may go on after SIGTERM before they are cancelled.");

namespace recycling {
namespace {
constexpr absl::Duration kMemoryLooks = absl::Seconds(5);
}  // namespace

int RunService(int argc, char** argv, const ProgramInfo& info,
               const std::function<absl::Status()>& run) {
  TuneProcess();
  BlockStopSignals();
  RouteGrpcLog();
  const std::vector<std::string> words = ParseProgramFlags(argc, argv, info);
  if (!words.empty()) {
    std::fprintf(stderr, "%s: got argument \"%s\", expected flags only\n", info.name.c_str(),
                 Escaped(words[0]).c_str());
    return kExitUsage;
  }
  SetLogFromFlags();
  MemoryTrimmer trimmer = TrimmerOfThisProcess();
  const Ticker trims([&trimmer] {
    trimmer.Look();
    return kMemoryLooks;
  });
  const absl::Status status = run();
  if (status.ok()) return kExitOk;
  std::fprintf(stderr, "%s: %s\n", info.name.c_str(),
               Escaped(std::string(status.message())).c_str());
  return absl::IsInvalidArgument(status) ? kExitUsage : kExitFailure;
}

absl::StatusOr<std::unique_ptr<RpcServer>> StartService(const std::vector<std::string>& listen,
                                                        grpc::Service* service,
                                                        const std::string& health_name) {
  ASSIGN_OR_RETURN(RpcServerOptions options, ServerOptionsFromFlags());
  return StartService(std::move(options), listen, service, health_name);
}

absl::StatusOr<std::unique_ptr<RpcServer>> StartService(RpcServerOptions options,
                                                        const std::vector<std::string>& listen,
                                                        grpc::Service* service,
                                                        const std::string& health_name) {
  if (listen.empty()) {
    return absl::InvalidArgumentError("--listen: got none, expected at least one address");
  }
  options.listen = listen;
  options.health_listen = absl::GetFlag(FLAGS_health_listen);
  options.port_file = absl::GetFlag(FLAGS_port_file);
  return RpcServer::Start(options, {service}, {health_name});
}

void StopService(RpcServer& server, const std::function<void()>& before_shutdown) {
  Log(LogLevel::kInfo, "stopping");
  server.SetServing(false);
  if (before_shutdown) before_shutdown();
  server.Shutdown(absl::GetFlag(FLAGS_drain_grace));
}

}  // namespace recycling
