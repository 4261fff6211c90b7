// recycling-standalone: gateway, verifier and drafter in one process. It uses the same factories as
// the three programs. The parts call each other directly. With --verifiers it has no verifier, and
// its gateway uses those of other processes.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/declare.h"
#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
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
#include "gateway/peer_channel_flags.h"
#include "verifier/service/verifier_flags.h"
#include "verifier/service/verifier_server.h"

ABSL_FLAG(
    std::vector<std::string>, peer_listen, {},
    "Addresses on which other programs reach the verifier and the drafter, for example "
    "'recycling matrix'. The log names the bound addresses, --port_file does not. Empty: only "
    "the gateway in this process reaches them.");

ABSL_DECLARE_FLAG(int, max_sequences);
ABSL_DECLARE_FLAG(std::string, model);

namespace recycling {
namespace {

constexpr char kDrafterAddress[] = "in-process drafter";

std::vector<FlagGroup> Flags() {
  std::vector<FlagGroup> groups = verifier::VerifierFlags();
  for (FlagGroup& group : gateway::GatewayFlags()) groups.push_back(std::move(group));
  for (FlagGroup& group : drafter::DrafterFlags()) groups.push_back(std::move(group));
  groups.push_back(RareGroupOf("Verifier and drafter from outside", FLAGS_peer_listen));
  groups.push_back(RareGroupOf("Verifiers of other processes", FLAGS_verifiers));
  groups.push_back(gateway::PeerChannelFlags());
  return groups;
}

// The verifier of this process. Null if --verifiers names verifiers of other processes.
absl::StatusOr<std::unique_ptr<verifier::VerifierServer>> MakeVerifier(
    std::shared_ptr<const CallerCheck> callers) {
  if (!absl::GetFlag(FLAGS_verifiers).empty()) {
    if (const std::string model = absl::GetFlag(FLAGS_model); !model.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("--model: got \"", model,
                                                     "\", expected none, because --verifiers is "
                                                     "set"));
    }
    return nullptr;
  }
  ASSIGN_OR_RETURN(verifier::VerifierOptions options, verifier::OptionsFromFlags());
  options.callers = std::move(callers);
  return verifier::VerifierServer::Create(options);
}

// Lets the gateway use the verifier of this process.
void UseLocal(verifier::VerifierServer& verifier, gateway::GatewayOptions* options) {
  options->verifiers = {{.address = "in-process verifier"}};
  options->decode_streams = [&verifier](absl::Time deadline, const CallOrigin& origin) {
    return verifier.OpenDecode(deadline, origin);
  };
}

// Lets the gateway use the verifiers of --verifiers. `local` makes the channels to the drafter.
absl::Status UseRemote(const gateway::ChannelFactory& local, gateway::GatewayOptions* options) {
  ASSIGN_OR_RETURN(options->verifiers,
                   gateway::ReadPeers(absl::GetFlag(FLAGS_verifiers), 1, &options->verifiers_file));
  ASSIGN_OR_RETURN(const gateway::ChannelFactory remote,
                   gateway::PeerChannelsFromFlags(options->verifiers));
  options->channel = [local, remote](const std::string& address) {
    return address == kDrafterAddress ? local(address) : remote(address);
  };
  options->explain = gateway::ExplainPeerFromFlags;
  return absl::OkStatus();
}

// `peers` serves `drafter` and, if it is not null, `verifier` to callers that have `process_key`.
// All three must outlive the gateway. The streams of requests call them directly, other calls use
// channels within the process.
absl::StatusOr<std::unique_ptr<gateway::GatewayServer>> MakeGateway(
    RpcServer& peers, verifier::VerifierServer* verifier, drafter::DrafterServer& drafter,
    const ConnectionLimits& limits, const std::string& process_key) {
  ASSIGN_OR_RETURN(gateway::GatewayOptions options, gateway::OptionsFromFlags());
  options.readers.max_bytes = gateway::UnreadBytes(limits);
  ASSIGN_OR_RETURN(options.callers, CallersFromFlags(ListenAddresses()));
  options.channel = [&peers, process_key](const std::string&) {
    return peers.InProcessChannel(process_key);
  };
  if (verifier != nullptr) {
    UseLocal(*verifier, &options);
  } else {
    RETURN_IF_ERROR(UseRemote(options.channel, &options));
  }
  options.drafters = {{.address = kDrafterAddress}};
  options.draft_streams = [&drafter](absl::Time, const CallOrigin& origin) {
    return drafter.OpenDraft(origin);
  };
  return gateway::CreateGateway(options);
}

// Serves until a stop signal. The order matters: later objects use earlier ones.
absl::Status Run() {
  ASSIGN_OR_RETURN(const std::string process_key, NewApiKey());
  ASSIGN_OR_RETURN(const auto callers,
                   CallersFromFlags(absl::GetFlag(FLAGS_peer_listen), process_key));
  ASSIGN_OR_RETURN(const auto verifier, MakeVerifier(callers));
  drafter::DrafterOptions drafter_options = drafter::OptionsFromFlags();
  drafter_options.callers = callers;
  if (verifier != nullptr && drafter_options.base_matrix.empty()) {
    drafter_options.base_matrix = absl::GetFlag(FLAGS_model) + ".base_matrix";
    drafter_options.base_matrix_is_optional = true;
  }
  ASSIGN_OR_RETURN(const auto drafter, drafter::CreateDrafter(drafter_options));
  ASSIGN_OR_RETURN(RpcServerOptions options,
                   ServerOptionsFromFlags(/*servers=*/gateway::HttpIsOn() ? 3 : 2));
  RpcServerOptions peer_options = options;
  peer_options.listen = absl::GetFlag(FLAGS_peer_listen);
  peer_options.max_threads += drafter->max_threads();
  // A gateway in another process has one connection, with one stream for each request.
  peer_options.limits.max_streams += drafter->max_threads() + absl::GetFlag(FLAGS_max_sequences);
  std::vector<grpc::Service*> services = {drafter->service()};
  std::vector<std::string> names = {drafter::kDrafterServiceName};
  if (verifier != nullptr) {
    services.push_back(verifier->service());
    names.push_back(verifier::VerifierServer::full_name());
  }
  ASSIGN_OR_RETURN(const auto peers, RpcServer::Start(peer_options, services, names));
  peers->SetServing(true);
  ASSIGN_OR_RETURN(auto gateway,
                   MakeGateway(*peers, verifier.get(), *drafter, options.limits, process_key));
  ASSIGN_OR_RETURN(auto http, gateway::StartHttpFromFlags(*gateway, options));
  options.port_file_more = gateway::HttpUrls(http.get());
  ASSIGN_OR_RETURN(auto server,
                   StartService(options, gateway->service(), gateway::GatewayServer::full_name()));
  ASSIGN_OR_RETURN(auto metrics,
                   StartMetrics("standalone", {[&](MetricSet* set) { gateway->AddMetrics(set); },
                                               [&](MetricSet* set) {
                                                 if (verifier != nullptr) verifier->AddMetrics(set);
                                               },
                                               [&](MetricSet* set) { drafter->AddMetrics(set); },
                                               ConnectionMetrics({server.get(), peers.get()})}));
  Log(LogLevel::kInfo, "serving",
      {{"addresses", absl::StrJoin(server->addresses(), ",")},
       {"peer_addresses", absl::StrJoin(peers->addresses(), ",")},
       {"http", absl::StrJoin(gateway::HttpUrls(http.get()), ",")},
       {"model", verifier != nullptr ? verifier->Description() : "of the verifiers"},
       {"build", BuildVersion()}});
  if (verifier != nullptr) {
    verifier->OnHealth([&peers](bool healthy) { peers->SetServing(healthy); });
  }
  gateway->OnReady([&server](bool ready) { server->SetServing(ready); });

  WaitForStopSignal();
  gateway->OnReady(nullptr);
  if (verifier != nullptr) verifier->OnHealth(nullptr);
  StopService(*server, [&gateway](absl::Duration grace) { gateway->Drain(grace); });
  // The gateway calls its peers on channels within the process, also to greet them. Such a call
  // crashes once their server is shut down, so the gateway goes first.
  metrics.reset();
  http.reset();
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
       .examples =
           "recycling-standalone --model model.gguf\n"
           "recycling-standalone --model model.gguf --listen unix:/run/recycling/gateway "
           "--snapshot_dir /var/lib/recycling\n"
           "recycling-standalone --verifiers 10.0.0.1:50051,10.0.0.2:50051 --peer_tls_ca ca.crt\n",
       .flags = recycling::Flags(),
       .defaults = {{"listen", "127.0.0.1:50050"}, {"http_listen", "auto"}}},
      recycling::Run);
}
