#include "common/program/service_program.h"

#include <cstdio>
#include <utility>

#include "absl/flags/flag.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/base/ticker.h"
#include "common/program/caller_flags.h"
#include "common/program/grpc_log.h"
#include "common/program/log_flags.h"
#include "common/program/memory_trimmer.h"
#include "common/program/metrics_flags.h"
#include "common/program/process_tuning.h"

ABSL_FLAG(std::vector<std::string>, listen, {},
          "Addresses to listen on, separated by commas: host:port (port 0 takes a free port) or "
          "unix:/path.");
ABSL_FLAG(
    std::vector<std::string>, health_listen, {},
    "Addresses, written as in --listen, that answer only health checks and reflection. Always in "
    "plaintext, because probes have no certificate.");
ABSL_FLAG(
    std::string, port_file, "",
    "File to which the service writes its bound addresses as soon as it listens: one per line, "
    "those of --listen first, then those of --health_listen, then the URL of the HTTP API. Empty: "
    "no file.");
ABSL_FLAG(absl::Duration, drain_grace, absl::Seconds(30),
          "How long running requests may go on after SIGTERM before they are cancelled.");

namespace recycling {
namespace {

constexpr absl::Duration kMemoryLooks = absl::Seconds(5);

std::vector<FlagGroup> GroupsOfEveryService() {
  return {GroupOf("Serving", FLAGS_listen, FLAGS_health_listen, FLAGS_port_file, FLAGS_drain_grace),
          TlsFlags(),
          CallerFlags(),
          ConnectionFlags(),
          LogFlags(),
          MetricsFlags()};
}

}  // namespace

int RunService(int argc, char** argv, ProgramInfo info, const std::function<absl::Status()>& run) {
  TuneProcess();
  BlockStopSignals();
  RouteGrpcLog();
  for (FlagGroup& group : GroupsOfEveryService()) info.flags.push_back(std::move(group));
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

std::vector<std::string> ListenAddresses() { return absl::GetFlag(FLAGS_listen); }

absl::StatusOr<std::unique_ptr<RpcServer>> StartService(RpcServerOptions options,
                                                        grpc::Service* service,
                                                        const std::string& health_name) {
  options.listen = ListenAddresses();
  if (options.listen.empty()) {
    return absl::InvalidArgumentError("--listen: got none, expected at least one address");
  }
  options.health_listen = absl::GetFlag(FLAGS_health_listen);
  options.port_file = absl::GetFlag(FLAGS_port_file);
  return RpcServer::Start(options, {service}, {health_name});
}

void StopService(RpcServer& server,
                 const std::function<void(absl::Duration grace)>& before_shutdown) {
  const absl::Duration grace = absl::GetFlag(FLAGS_drain_grace);
  Log(LogLevel::kInfo, "stopping");
  server.SetServing(false);
  if (before_shutdown) before_shutdown(grace);
  server.Shutdown(grace);
}

}  // namespace recycling
