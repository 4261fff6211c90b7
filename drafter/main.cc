// recycling-drafter: parses flags, wires, serves, saves.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/program/caller_flags.h"
#include "common/program/metrics_flags.h"
#include "common/program/server_flags.h"
#include "common/program/service_program.h"
#include "common/rpc/connection_metrics.h"
#include "drafter/service/drafter_flags.h"
#include "drafter/service/drafter_server.h"

ABSL_FLAG(std::vector<std::string>, listen, {"127.0.0.1:50052"},
          "Addresses to serve on, separated by commas: host:port (port 0: a free one) or "
          "unix:/path.");
ABSL_FLAG(std::string, drafter_id, "drafter",
          "Name of this drafter, unique among its peers; its snapshots carry it. 1 to 48 of the "
          "characters [A-Za-z0-9_-].");
ABSL_FLAG(std::uint32_t, k, 0,
          "Candidates per row of a matrix, 1 to 64. 0: as the first handshake says.");
ABSL_FLAG(std::string, bind_model, "",
          "Serve only this model, as ID,VOCABULARY,TOKENIZER_DIGEST in hex (recycling matrix info "
          "shows them); needs --k. Empty: the model of the last written snapshot, else of the "
          "first handshake.");

namespace recycling::drafter {
namespace {

absl::StatusOr<ModelIdentity> ParseModel(const std::string& text) {
  // The id may hold commas, the other two cannot.
  const std::vector<std::string> parts = absl::StrSplit(text, ',');
  ModelIdentity model;
  if (parts.size() < 3 || !absl::SimpleAtoi(parts[parts.size() - 2], &model.vocab_size)) {
    return absl::InvalidArgumentError(
        "--bind_model: expected ID,VOCABULARY,TOKENIZER_DIGEST, for example tiny,32000,00ff...");
  }
  model.model_id = absl::StrJoin(parts.begin(), parts.end() - 2, ",");
  if (parts.back().find_first_not_of("0123456789abcdefABCDEF") != std::string::npos ||
      parts.back().size() != 64) {
    return absl::InvalidArgumentError("--bind_model: expected a tokenizer digest of 64 hex digits");
  }
  model.tokenizer_digest = absl::HexStringToBytes(parts.back());
  return model;
}

absl::Status Run() {
  DrafterOptions options = OptionsFromFlags();
  options.drafter_id = absl::GetFlag(FLAGS_drafter_id);
  options.k = absl::GetFlag(FLAGS_k);
  if (const std::string model = absl::GetFlag(FLAGS_bind_model); !model.empty()) {
    ASSIGN_OR_RETURN(options.model, ParseModel(model));
  }
  ASSIGN_OR_RETURN(options.callers, CallersFromFlags(absl::GetFlag(FLAGS_listen)));
  ASSIGN_OR_RETURN(const auto drafter, CreateDrafter(options));
  ASSIGN_OR_RETURN(RpcServerOptions server_options, ServerOptionsFromFlags());
  server_options.max_threads += drafter->max_threads();
  ASSIGN_OR_RETURN(const auto server,
                   StartService(std::move(server_options), absl::GetFlag(FLAGS_listen),
                                drafter->service(), kDrafterServiceName));
  ASSIGN_OR_RETURN(
      const auto metrics,
      StartMetrics("drafter", {[&drafter](MetricSet* set) { drafter->AddMetrics(set); },
                               ConnectionMetrics({server.get()})}));
  server->SetServing(true);
  Log(LogLevel::kInfo, "serving",
      {{"addresses", absl::StrJoin(server->addresses(), ",")},
       {"drafter_id", options.drafter_id},
       {"build", BuildVersion()}});
  WaitForStopSignal();
  StopService(*server);
  return drafter->SaveSnapshots();
}

}  // namespace
}  // namespace recycling::drafter

int main(int argc, char** argv) {
  return recycling::RunService(
      argc, argv,
      {.name = "recycling-drafter",
       .summary = "Guesses the next tokens from what followed each token before: holds adjacency "
                  "matrices, proposes draft trees and learns from every verified step.",
       .examples = "recycling-drafter\n"
                   "recycling-drafter --listen unix:/run/recycling/drafter\n"
                   "recycling-drafter --snapshot_dir /var/lib/recycling --snapshot_interval 5m\n"},
      recycling::drafter::Run);
}
