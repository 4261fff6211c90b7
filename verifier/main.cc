// recycling-verifier: serves one model file.
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/log.h"
#include "common/program.h"
#include "common/rpc_server.h"
#include "verifier/verifier_server.h"

ABSL_FLAG(std::string, model, "", "GGUF file of the llama architecture to serve. Required.");
ABSL_FLAG(
    std::vector<std::string>, listen, std::vector<std::string>({"127.0.0.1:50051"}),
    "Addresses to serve on, separated by commas: host:port (port 0: a free one) or unix:/path.");
ABSL_FLAG(std::vector<std::string>, health_listen, {},
          "Addresses that answer health checks alone, as in --listen.");
ABSL_FLAG(std::string, port_file, "",
          "File to write the bound addresses to once listening, one a line. Empty: none.");
ABSL_FLAG(int, threads, 0, "Threads of the forward pass, at most 1024. 0: one for each core.");
ABSL_FLAG(int, max_sequences, 8, "Sequences that may be open at once, 1 to 4096.");
ABSL_FLAG(std::uint32_t, context_length, 0,
          "Most tokens of a sequence, prompt and output, at most 1048576. 0: what the model was "
          "trained for.");
ABSL_FLAG(std::uint32_t, k, 8, "Candidates returned for each row, 1 to 64.");
ABSL_FLAG(int, max_tree_nodes, 256, "Most nodes of a draft tree beside the root, 0 to 4096.");
ABSL_FLAG(int, prefill_chunk, 256, "Prompt tokens in one pass, 1 to 4096.");
ABSL_FLAG(std::string, kv_type, "f16", "Number format of cached keys and values: f16 or f32.");
ABSL_FLAG(absl::Duration, drain_grace, absl::Seconds(30),
          "How long running sequences may go on after SIGTERM.");

namespace {

using recycling::LogLevel;
using recycling::verifier::VerifierServer;

int Fail(const absl::Status& status) {
  recycling::Log(LogLevel::kError, "cannot serve", {{"status", status.ToString()}});
  return absl::IsInvalidArgument(status) ? recycling::kExitUsage : recycling::kExitFailure;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments = recycling::ParseProgramFlags(
      argc, argv,
      {.name = "recycling-verifier",
       .summary = "Serves a model: verifies draft trees, one forward pass each, over gRPC.",
       .examples = "  recycling-verifier --model model.gguf\n"
                   "  recycling-verifier --model model.gguf --listen 0.0.0.0:50051 --threads 8\n"});
  if (!arguments.empty()) {
    std::cerr << "recycling-verifier: got argument \"" << arguments[0]
              << "\", expected flags only\n";
    return recycling::kExitUsage;
  }
  if (absl::GetFlag(FLAGS_listen).empty()) {
    std::cerr << "recycling-verifier: --listen: got none, expected at least one address\n";
    return recycling::kExitUsage;
  }
  if (absl::GetFlag(FLAGS_model).empty()) {
    std::cerr << "recycling-verifier: --model: got none, expected a GGUF file\n";
    return recycling::kExitUsage;
  }
  recycling::BlockStopSignals();
  const auto verifier =
      VerifierServer::Create({.model_path = absl::GetFlag(FLAGS_model),
                              .threads = absl::GetFlag(FLAGS_threads),
                              .max_sequences = absl::GetFlag(FLAGS_max_sequences),
                              .context_length = absl::GetFlag(FLAGS_context_length),
                              .k = absl::GetFlag(FLAGS_k),
                              .max_tree_nodes = absl::GetFlag(FLAGS_max_tree_nodes),
                              .prefill_chunk = absl::GetFlag(FLAGS_prefill_chunk),
                              .kv_type = absl::GetFlag(FLAGS_kv_type)});
  if (!verifier.ok()) return Fail(verifier.status());
  const auto server =
      recycling::RpcServer::Start({.listen = absl::GetFlag(FLAGS_listen),
                                   .health_listen = absl::GetFlag(FLAGS_health_listen),
                                   .port_file = absl::GetFlag(FLAGS_port_file)},
                                  {(*verifier)->service()}, {VerifierServer::full_name()});
  if (!server.ok()) return Fail(server.status());
  (*server)->SetServing(true);
  recycling::Log(LogLevel::kInfo, "serving",
                 {{"addresses", absl::StrJoin((*server)->addresses(), ",")},
                  {"model", (*verifier)->Description()}});
  recycling::WaitForStopSignal();
  recycling::Log(LogLevel::kInfo, "stopping");
  (*server)->Shutdown(absl::GetFlag(FLAGS_drain_grace));
  return recycling::kExitOk;
}
