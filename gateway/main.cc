// recycling-gateway: parses flags and wires.
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/log.h"
#include "common/program.h"
#include "common/rpc_server.h"
#include "gateway/gateway.h"

ABSL_FLAG(std::vector<std::string>, listen, {"127.0.0.1:50050"},
          "Addresses to serve on, separated by commas: host:port (port 0: a free one) or "
          "unix:/path.");
ABSL_FLAG(std::vector<std::string>, health_listen, {},
          "Addresses that answer health checks alone, as in --listen.");
ABSL_FLAG(std::string, port_file, "",
          "File to write the bound addresses to once listening, one a line. Empty: none.");
ABSL_FLAG(std::string, verifiers, "127.0.0.1:50051",
          "Verifiers, separated by commas: host:port, unix:/path, or dns:///name:port for every "
          "address behind a name, which is resolved again every 10 s.");
ABSL_FLAG(std::string, drafters, "127.0.0.1:50052",
          "Drafters, as in --verifiers. Empty: every step decodes one token.");
ABSL_FLAG(int, max_requests, 64,
          "Requests that may run at once, 1 to 4096; one more is refused. Each takes a thread.");
ABSL_FLAG(int, draft_deadline_ms, 20,
          "Longest wait for one draft, milliseconds, 1 to 3600000. A step whose draft is late goes "
          "without it.");
ABSL_FLAG(int, node_budget, 80,
          "Most drafted nodes a step where a request does not say, 0 to 1048576; cut to the "
          "verifier's limit.");
ABSL_FLAG(int, drafters_per_tenant, 1, "Drafters that share one tenant's requests, at least 1.");
ABSL_FLAG(absl::Duration, drain_grace, absl::Seconds(30),
          "How long running requests may go on after SIGTERM.");

namespace recycling::gateway {
namespace {

int Fail(const absl::Status& status) {
  std::cerr << "recycling-gateway: " << status.message() << "\n";
  return absl::IsInvalidArgument(status) ? kExitUsage : kExitFailure;
}

int Main() {
  if (absl::GetFlag(FLAGS_listen).empty()) {
    return Fail(absl::InvalidArgumentError("listen: got none, expected at least one address"));
  }
  auto verifiers = ParsePeerList(absl::GetFlag(FLAGS_verifiers));
  if (!verifiers.ok()) return Fail(verifiers.status());
  auto drafters = ParsePeerList(absl::GetFlag(FLAGS_drafters));
  if (!drafters.ok()) return Fail(drafters.status());
  const auto gateway =
      CreateGateway({.verifiers = *std::move(verifiers),
                     .drafters = *std::move(drafters),
                     .max_requests = absl::GetFlag(FLAGS_max_requests),
                     .draft_deadline = absl::Milliseconds(absl::GetFlag(FLAGS_draft_deadline_ms)),
                     .node_budget = absl::GetFlag(FLAGS_node_budget),
                     .drafters_per_tenant = absl::GetFlag(FLAGS_drafters_per_tenant)});
  if (!gateway.ok()) return Fail(gateway.status());
  const auto server = RpcServer::Start({.listen = absl::GetFlag(FLAGS_listen),
                                        .health_listen = absl::GetFlag(FLAGS_health_listen),
                                        .port_file = absl::GetFlag(FLAGS_port_file)},
                                       {(*gateway)->service()}, {GatewayServer::full_name()});
  if (!server.ok()) return Fail(server.status());
  Log(LogLevel::kInfo, "serving",
      {{"addresses", absl::StrJoin((*server)->addresses(), ",")}, {"build", BuildVersion()}});
  (*gateway)->OnReady([&server](bool ready) { (*server)->SetServing(ready); });

  WaitForStopSignal();
  Log(LogLevel::kInfo, "stopping");
  (*gateway)->OnReady(nullptr);
  (*server)->Shutdown(absl::GetFlag(FLAGS_drain_grace));
  return kExitOk;
}

}  // namespace
}  // namespace recycling::gateway

int main(int argc, char** argv) {
  recycling::BlockStopSignals();
  const std::vector<std::string> words = recycling::ParseProgramFlags(
      argc, argv,
      {.name = "recycling-gateway",
       .summary = "Generates text: runs the guess-verify-update loop between drafters and "
                  "verifiers, and is what clients speak to.",
       .examples = "  recycling-gateway\n"
                   "  recycling-gateway --verifiers 10.0.0.1:50051,10.0.0.2:50051 --drafters "
                   "dns:///drafter:50052\n"});
  if (!words.empty()) {
    std::cerr << "recycling-gateway: got argument \"" << words[0] << "\", expected flags only\n";
    return recycling::kExitUsage;
  }
  return recycling::gateway::Main();
}
