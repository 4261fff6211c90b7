// recycling-standalone: gateway, verifier and drafter in one process. It uses the same factories as
// the three programs. The parts call each other over in-process channels.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_join.h"
#include "common/auth/api_keys.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/program/caller_flags.h"
#include "common/program/metrics_flags.h"
#include "common/program/server_flags.h"
#include "common/program/service_program.h"
#include "common/rpc/connection_metrics.h"
#include "common/rpc/rpc_server.h"
#include "drafter/service/drafter_flags.h"
#include "drafter/service/drafter_server.h"
#include "gateway/gateway.h"
#include "gateway/gateway_flags.h"
#include "verifier/service/verifier_flags.h"
#include "verifier/service/verifier_server.h"

ABSL_FLAG(
    std::vector<std::string>, peer_listen, {},
    "Addresses on which other programs reach the verifier and the drafter, for example "
    "'recycling matrix'. The log names the bound addresses, --port_file does not. Empty: only "
    "the gateway in this process reaches them.");

namespace recycling {
namespace {

std::vector<FlagGroup> Flags() {
  std::vector<FlagGroup> groups = verifier::VerifierFlags();
  for (FlagGroup& group : gateway::GatewayFlags()) groups.push_back(std::move(group));
  for (FlagGroup& group : drafter::DrafterFlags()) groups.push_back(std::move(group));
  groups.push_back(RareGroupOf("Verifier and drafter from outside", FLAGS_peer_listen));
  return groups;
}

// `peers` serves verifier and drafter to callers that have `process_key`. It must outlive the
// gateway.
absl::StatusOr<std::unique_ptr<gateway::GatewayServer>> MakeGateway(
    RpcServer& peers, const ConnectionLimits& limits, const std::string& process_key) {
  ASSIGN_OR_RETURN(gateway::GatewayOptions options, gateway::OptionsFromFlags());
  options.readers.max_bytes = gateway::UnreadBytes(limits);
  ASSIGN_OR_RETURN(options.callers, CallersFromFlags(ListenAddresses()));
  options.verifiers = {{.address = "in-process verifier"}};
  options.drafters = {{.address = "in-process drafter"}};
  options.channel = [&peers, process_key](const std::string&) {
    return peers.InProcessChannel(process_key);
  };
  return gateway::CreateGateway(options);
}

// Serves until a stop signal. The order matters: later objects use earlier ones.
absl::Status Run() {
  ASSIGN_OR_RETURN(auto verifier_options, verifier::OptionsFromFlags());
  ASSIGN_OR_RETURN(const std::string process_key, NewApiKey());
  ASSIGN_OR_RETURN(verifier_options.callers,
                   CallersFromFlags(absl::GetFlag(FLAGS_peer_listen), process_key));
  ASSIGN_OR_RETURN(const auto verifier, verifier::VerifierServer::Create(verifier_options));
  drafter::DrafterOptions drafter_options = drafter::OptionsFromFlags();
  drafter_options.callers = verifier_options.callers;
  ASSIGN_OR_RETURN(const auto drafter, drafter::CreateDrafter(drafter_options));
  ASSIGN_OR_RETURN(const RpcServerOptions options, ServerOptionsFromFlags(/*servers=*/2));
  RpcServerOptions peer_options = options;
  peer_options.listen = absl::GetFlag(FLAGS_peer_listen);
  peer_options.max_threads += drafter->max_threads();
  // A gateway in another process has one connection, with one stream for each request.
  peer_options.limits.max_streams += drafter->max_threads() + verifier_options.max_sequences;
  ASSIGN_OR_RETURN(
      const auto peers,
      RpcServer::Start(peer_options, {verifier->service(), drafter->service()},
                       {verifier::VerifierServer::full_name(), drafter::kDrafterServiceName}));
  peers->SetServing(true);
  ASSIGN_OR_RETURN(auto gateway, MakeGateway(*peers, options.limits, process_key));
  ASSIGN_OR_RETURN(auto server,
                   StartService(options, gateway->service(), gateway::GatewayServer::full_name()));
  ASSIGN_OR_RETURN(auto metrics,
                   StartMetrics("standalone", {[&](MetricSet* set) { gateway->AddMetrics(set); },
                                               [&](MetricSet* set) { verifier->AddMetrics(set); },
                                               [&](MetricSet* set) { drafter->AddMetrics(set); },
                                               ConnectionMetrics({server.get(), peers.get()})}));
  Log(LogLevel::kInfo, "serving",
      {{"addresses", absl::StrJoin(server->addresses(), ",")},
       {"peer_addresses", absl::StrJoin(peers->addresses(), ",")},
       {"model", verifier->Description()},
       {"build", BuildVersion()}});
  verifier->OnHealth([&peers](bool healthy) { peers->SetServing(healthy); });
  gateway->OnReady([&server](bool ready) { server->SetServing(ready); });

  WaitForStopSignal();
  gateway->OnReady(nullptr);
  verifier->OnHealth(nullptr);
  StopService(*server, [&gateway](absl::Duration grace) { gateway->Drain(grace); });
  // The gateway calls its peers on channels within the process, also to greet them. Such a call
  // crashes once their server is shut down, so the gateway goes first.
  metrics.reset();
  server.reset();
  gateway.reset();
  peers->Shutdown(absl::ZeroDuration());
  return drafter->SaveSnapshots();
}

}  // namespace
}  // namespace recycling

int main(int argc, char** argv) {
  return recycling::RunService(
      argc, argv,
      {.name = "recycling-standalone",
       .summary = "Gateway, verifier and drafter in one process: writes text by speculative "
                  "decoding over gRPC.",
       .examples = "recycling-standalone --model model.gguf\n"
                   "recycling-standalone --model model.gguf --listen unix:/run/recycling/gateway "
                   "--snapshot_dir /var/lib/recycling\n",
       .flags = recycling::Flags(),
       .defaults = {{"listen", "127.0.0.1:50050"}}},
      recycling::Run);
}
