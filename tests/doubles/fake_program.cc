#include "tests/doubles/fake_program.h"

#include <cstdio>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/time/clock.h"
#include "common/base/log.h"
#include "common/program/program.h"
#include "common/rpc/rpc_server.h"

ABSL_FLAG(std::vector<std::string>, listen, {"127.0.0.1:0"},
          "Addresses to listen on, host:port (port 0 picks a free one) or unix:/path, separated by "
          "commas.");
ABSL_FLAG(std::string, port_file, "",
          "File to which the program writes its addresses when it listens, one in each line. "
          "Empty: none.");
ABSL_FLAG(int, latency_ms, 0, "Milliseconds to wait before every answer to a step, 0 or more.");

namespace recycling::doubles {
namespace {

constexpr int kThreads = 4096;  // each call to a fake occupies a thread

}  // namespace

std::function<void(const std::string& call)> LatencyHook(const std::string& prefix) {
  const int latency_ms = absl::GetFlag(FLAGS_latency_ms);
  if (latency_ms <= 0) return nullptr;
  return [prefix, latency_ms](const std::string& call) {
    if (call.starts_with(prefix)) absl::SleepFor(absl::Milliseconds(latency_ms));
  };
}

int ServeUntilStopped(const std::string& name, grpc::Service& service,
                      const std::string& health_name) {
  RpcServerOptions options;
  options.listen = absl::GetFlag(FLAGS_listen);
  options.max_threads = kThreads;
  options.port_file = absl::GetFlag(FLAGS_port_file);
  auto server = RpcServer::Start(options, {&service}, {health_name});
  if (!server.ok()) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), server.status().ToString().c_str());
    return absl::IsInvalidArgument(server.status()) ? kExitUsage : kExitFailure;
  }
  (*server)->SetServing(true);
  for (const std::string& address : (*server)->addresses()) {
    Log(LogLevel::kInfo, "listening", {{"address", address}});
  }
  WaitForStopSignal();
  (*server)->Shutdown(absl::ZeroDuration());
  return kExitOk;
}

}  // namespace recycling::doubles
