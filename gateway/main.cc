// The program recycling-gateway: parses flags, makes the gateway, and serves until a stop signal
// comes.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/net/certificate_expiry.h"
#include "common/program/caller_flags.h"
#include "common/program/metrics_flags.h"
#include "common/program/service_program.h"
#include "common/rpc/connection_metrics.h"
#include "gateway/gateway.h"
#include "gateway/gateway_flags.h"
#include "gateway/peer_channel_flags.h"

ABSL_FLAG(std::string, drafters, "127.0.0.1:50052",
          "Addresses of the drafters, in the same form as --verifiers. Empty: the gateway uses no "
          "drafts, and every step decodes one token.");
ABSL_FLAG(int, drafters_per_tenant, 1,
          "Number of drafters that share the requests of one tenant, 1 to 1048576. Set more than "
          "one if the requests of one tenant keep one drafter busy. Each drafter learns only from "
          "the requests that it gets.");

namespace recycling::gateway {
namespace {

std::vector<FlagGroup> Flags() {
  std::vector<FlagGroup> groups = GatewayFlags();
  groups.insert(groups.begin(),
                GroupOf("Peers", FLAGS_verifiers, FLAGS_drafters, FLAGS_drafters_per_tenant));
  groups.push_back(PeerChannelFlags());
  return groups;
}

absl::Status Run() {
  ASSIGN_OR_RETURN(GatewayOptions options, OptionsFromFlags());
  ASSIGN_OR_RETURN(RpcServerOptions server_options, ServerOptionsFromFlags(HttpIsOn() ? 2 : 1));
  options.readers.max_bytes = UnreadBytes(server_options.limits);
  ASSIGN_OR_RETURN(options.callers, CallersFromFlags(ListenAddresses()));
  ASSIGN_OR_RETURN(options.verifiers,
                   ReadPeers(absl::GetFlag(FLAGS_verifiers), 1, &options.verifiers_file));
  ASSIGN_OR_RETURN(options.drafters,
                   ReadPeers(absl::GetFlag(FLAGS_drafters), 0, &options.drafters_file));
  std::vector<PeerTarget> peers = options.verifiers;
  peers.insert(peers.end(), options.drafters.begin(), options.drafters.end());
  const auto certificate = std::make_shared<CertificateExpiry>();
  ASSIGN_OR_RETURN(options.channel, PeerChannelsFromFlags(peers, certificate));
  options.explain = ExplainPeerFromFlags;
  options.drafters_per_tenant = absl::GetFlag(FLAGS_drafters_per_tenant);
  ASSIGN_OR_RETURN(const auto gateway, CreateGateway(options));
  ASSIGN_OR_RETURN(const auto http, StartHttpFromFlags(*gateway, server_options));
  server_options.port_file_more = HttpUrls(http.get());
  ASSIGN_OR_RETURN(const auto server, StartService(std::move(server_options), gateway->service(),
                                                   GatewayServer::full_name()));
  ASSIGN_OR_RETURN(
      const auto metrics,
      StartMetrics("gateway", {[&gateway](MetricSet* set) { gateway->AddMetrics(set); },
                               ConnectionMetrics({server.get()}),
                               [certificate](MetricSet* set) {
                                 AddCertificateMetrics("client", certificate->Get(), set);
                               }}));
  Log(LogLevel::kInfo, "serving",
      {{"addresses", absl::StrJoin(server->addresses(), ",")},
       {"http", absl::StrJoin(HttpUrls(http.get()), ",")},
       {"build", BuildVersion()}});
  gateway->OnReady([&server](bool ready) { server->SetServing(ready); });
  WaitForStopSignal();
  gateway->OnReady(nullptr);
  StopService(*server, [&gateway](absl::Duration grace) { gateway->Drain(grace); });
  return absl::OkStatus();
}

}  // namespace
}  // namespace recycling::gateway

int main(int argc, char** argv) {
  return recycling::RunService(
      argc, argv,
      {.name = "recycling-gateway",
       .summary = "Generates text for clients: runs the guess-verify-update loop between drafters "
                  "and verifiers.",
       .examples = "recycling-gateway\n"
                   "recycling-gateway --peer_tls_ca ca.crt --peer_tls_names verifier,drafter "
                   "--verifiers 10.0.0.1:50051,10.0.0.2:50051 --drafters dns:///drafter:50052\n"
                   "recycling-gateway --tls_cert gateway.crt --tls_key gateway.key --listen "
                   "0.0.0.0:50050\n",
       .flags = recycling::gateway::Flags(),
       .defaults = {{"listen", "127.0.0.1:50050"}, {"verifiers", "127.0.0.1:50051"}}},
      recycling::gateway::Run);
}
