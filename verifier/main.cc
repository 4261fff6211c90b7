// recycling-verifier: serves one model file.
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/program/caller_flags.h"
#include "common/program/metrics_flags.h"
#include "common/program/service_program.h"
#include "common/rpc/connection_metrics.h"
#include "verifier/service/verifier_flags.h"
#include "verifier/service/verifier_server.h"

namespace recycling::verifier {
namespace {

absl::Status Run() {
  ASSIGN_OR_RETURN(VerifierOptions options, OptionsFromFlags());
  ASSIGN_OR_RETURN(options.callers, CallersFromFlags(ListenAddresses()));
  ASSIGN_OR_RETURN(const auto verifier, VerifierServer::Create(options));
  ASSIGN_OR_RETURN(RpcServerOptions server_options, ServerOptionsFromFlags());
  // A gateway has one connection, and on it one stream for each sequence.
  server_options.limits.max_streams += options.max_sequences;
  ASSIGN_OR_RETURN(const auto server, StartService(std::move(server_options), verifier->service(),
                                                   VerifierServer::full_name()));
  ASSIGN_OR_RETURN(
      const auto metrics,
      StartMetrics("verifier", {[&verifier](MetricSet* set) { verifier->AddMetrics(set); },
                                ConnectionMetrics({server.get()})}));
  verifier->OnHealth([&server](bool healthy) { server->SetServing(healthy); });
  Log(LogLevel::kInfo, "serving",
      {{"addresses", absl::StrJoin(server->addresses(), ",")},
       {"model", verifier->Description()},
       {"build", BuildVersion()}});
  WaitForStopSignal();
  verifier->OnHealth(nullptr);
  StopService(*server, [&verifier](absl::Duration grace) { verifier->Drain(grace); });
  return absl::OkStatus();
}

}  // namespace
}  // namespace recycling::verifier

int main(int argc, char** argv) {
  return recycling::RunService(
      argc, argv,
      {.name = "recycling-verifier",
       .summary = "Serves a model over gRPC: verifies each draft tree in one forward pass.",
       .examples =
           "recycling-verifier --model model.gguf\n"
           "recycling-verifier --model model.gguf --threads 8 --listen 0.0.0.0:50051 --tls_cert "
           "verifier.crt --tls_key verifier.key --tls_ca ca.crt\n",
       .flags = recycling::verifier::VerifierFlags(),
       .defaults = {{"listen", "127.0.0.1:50051"}}},
      recycling::verifier::Run);
}
