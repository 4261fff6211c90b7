// recycling-drafter: parses flags, wires, serves, saves.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "common/log.h"
#include "common/program.h"
#include "common/rpc_server.h"
#include "drafter/drafter_server.h"

ABSL_FLAG(std::vector<std::string>, listen, {"127.0.0.1:50052"},
          "Addresses to listen on, separated by commas: host:port (port 0 picks a free one) or "
          "unix:/path.");
ABSL_FLAG(std::vector<std::string>, health_listen, {},
          "More addresses, separated by commas, that answer health checks alone.");
ABSL_FLAG(std::string, port_file, "",
          "File to write the bound addresses to, one a line, once listening.");
ABSL_FLAG(std::string, drafter_id, "drafter",
          "Name of this drafter, unique among its peers; its snapshots carry it. 1 to 48 of the "
          "characters [A-Za-z0-9_-].");
ABSL_FLAG(std::string, template, "",
          "File with the tree template (drafter/README.md). Empty: the paper's tree of 80 nodes.");
ABSL_FLAG(std::uint32_t, k, 0,
          "Candidates per row of a matrix, 1 to 64. 0: as the first handshake says.");
ABSL_FLAG(std::string, bind_model, "",
          "Serve only this model, as ID,VOCABULARY,TOKENIZER_DIGEST in hex (recycling matrix info "
          "shows them); needs --k. Empty: the model of the last written snapshot, else of the "
          "first handshake.");
ABSL_FLAG(std::uint64_t, max_matrix_bytes, std::uint64_t{256} << 20,
          "Bound on the memory of all matrices together, bytes. A matrix takes 8 + 4k bytes for "
          "each token of the vocabulary; the least recently used one is dropped for room.");
ABSL_FLAG(bool, allow_shared, false,
          "Allow requests to use one matrix for all tenants. What one tenant writes can then be "
          "guessed for another.");
ABSL_FLAG(std::string, snapshot_dir, "",
          "Existing directory to load matrices from at start and to save them to on shutdown. "
          "Empty: nothing is kept.");
ABSL_FLAG(absl::Duration, snapshot_interval, absl::ZeroDuration(),
          "Save also this often, for example 5m. 0: on shutdown only.");
ABSL_FLAG(absl::Duration, drain_grace, absl::Seconds(10),
          "Time that running requests get to end after SIGTERM before they are cancelled.");

namespace recycling::drafter {
namespace {

constexpr char kProgram[] = "recycling-drafter";

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

absl::StatusOr<DrafterOptions> OptionsFromFlags() {
  DrafterOptions options;
  options.drafter_id = absl::GetFlag(FLAGS_drafter_id);
  options.template_file = absl::GetFlag(FLAGS_template);
  options.max_matrix_bytes = absl::GetFlag(FLAGS_max_matrix_bytes);
  options.allow_shared = absl::GetFlag(FLAGS_allow_shared);
  options.k = absl::GetFlag(FLAGS_k);
  options.snapshot_dir = absl::GetFlag(FLAGS_snapshot_dir);
  options.snapshot_interval = absl::GetFlag(FLAGS_snapshot_interval);
  if (const std::string model = absl::GetFlag(FLAGS_bind_model); !model.empty()) {
    absl::StatusOr<ModelIdentity> parsed = ParseModel(model);
    if (!parsed.ok()) return parsed.status();
    options.model = *std::move(parsed);
  }
  return options;
}

int Fail(ExitCode code, const absl::Status& status) {
  std::fprintf(stderr, "%s: %s\n", kProgram, std::string(status.message()).c_str());
  return code;
}

int FailStart(const absl::Status& status) {
  return Fail(absl::IsInvalidArgument(status) ? kExitUsage : kExitFailure, status);
}

int Main() {
  const absl::StatusOr<DrafterOptions> options = OptionsFromFlags();
  if (!options.ok()) return Fail(kExitUsage, options.status());
  const absl::StatusOr<std::unique_ptr<DrafterServer>> drafter = CreateDrafter(*options);
  if (!drafter.ok()) return FailStart(drafter.status());
  const absl::StatusOr<std::unique_ptr<RpcServer>> server =
      RpcServer::Start({.listen = absl::GetFlag(FLAGS_listen),
                        .health_listen = absl::GetFlag(FLAGS_health_listen),
                        .port_file = absl::GetFlag(FLAGS_port_file)},
                       {(*drafter)->service()}, {kDrafterServiceName});
  if (!server.ok()) return FailStart(server.status());
  (*server)->SetServing(true);
  Log(LogLevel::kInfo, "serving",
      {{"drafter_id", options->drafter_id},
       {"addresses", absl::StrJoin((*server)->addresses(), ",")},
       {"build", BuildVersion()}});
  WaitForStopSignal();
  Log(LogLevel::kInfo, "stopping");
  (*server)->Shutdown(absl::GetFlag(FLAGS_drain_grace));
  const absl::Status saved = (*drafter)->SaveSnapshots();
  return saved.ok() ? kExitOk : Fail(kExitFailure, saved);
}

}  // namespace
}  // namespace recycling::drafter

int main(int argc, char** argv) {
  recycling::BlockStopSignals();
  const std::vector<std::string> words = recycling::ParseProgramFlags(
      argc, argv,
      {.name = "recycling-drafter",
       .summary = "guesses the next tokens from what followed each token before: holds adjacency "
                  "matrices, proposes draft trees and learns from every verified step.",
       .examples = "recycling-drafter\n"
                   "recycling-drafter --listen unix:/run/recycling/drafter\n"
                   "recycling-drafter --snapshot_dir /var/lib/recycling --snapshot_interval 5m\n"});
  if (!words.empty()) {
    std::fprintf(stderr, "recycling-drafter: got argument \"%s\", expected none\n",
                 words[0].c_str());
    return recycling::kExitUsage;
  }
  return recycling::drafter::Main();
}
