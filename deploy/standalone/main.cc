// recycling-standalone: gateway, verifier and drafter in one process, put together by the same
// factories as the three programs; they speak over in-process channels.
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/log.h"
#include "common/program.h"
#include "common/rpc_server.h"
#include "common/status_macros.h"
#include "drafter/drafter_server.h"
#include "gateway/gateway.h"
#include "verifier/verifier_server.h"

ABSL_FLAG(std::string, model, "", "GGUF file of the llama architecture to serve. Required.");
ABSL_FLAG(std::vector<std::string>, listen, {"127.0.0.1:50050"},
          "Addresses the gateway serves on, separated by commas: host:port (port 0: a free one) or "
          "unix:/path.");
ABSL_FLAG(std::vector<std::string>, peer_listen, {},
          "Addresses on which verifier and drafter are served too, for example for 'recycling "
          "matrix'. Empty: only the gateway in this process reaches them.");
ABSL_FLAG(std::vector<std::string>, health_listen, {},
          "Addresses that answer health checks of the gateway alone, as in --listen.");
ABSL_FLAG(std::string, port_file, "",
          "File to write the bound addresses of --listen and --health_listen to once listening, "
          "one a line. Empty: none.");
ABSL_FLAG(absl::Duration, drain_grace, absl::Seconds(30),
          "How long running requests may go on after SIGTERM.");

ABSL_FLAG(int, threads, 0, "Threads of the forward pass. 0: one for each core.");
ABSL_FLAG(int, max_sequences, 8, "Sequences that may be open at once, 1 to 4096.");
ABSL_FLAG(std::uint32_t, context_length, 0,
          "Most tokens of a sequence, prompt and output. 0: what the model was trained for.");
ABSL_FLAG(std::uint32_t, k, 8, "Candidates of each token in the adjacency matrix, 1 to 64.");
ABSL_FLAG(int, max_tree_nodes, 256, "Most nodes of a draft tree beside the root, 0 to 4096.");
ABSL_FLAG(int, prefill_chunk, 256, "Prompt tokens in one pass, 1 to 4096.");
ABSL_FLAG(std::string, kv_type, "f16", "Number format of cached keys and values: f16 or f32.");

ABSL_FLAG(std::string, tree_template, "",
          "File with the tree template (drafter/README.md). Empty: the paper's tree of 80 nodes.");
ABSL_FLAG(std::uint64_t, max_matrix_bytes, std::uint64_t{256} << 20,
          "Bound on the memory of all matrices together, bytes.");
ABSL_FLAG(bool, allow_shared, false, "Allow requests to use one matrix for all tenants.");
ABSL_FLAG(std::string, snapshot_dir, "",
          "Existing directory to load matrices from at start and to save them to on shutdown. "
          "Empty: nothing is kept.");
ABSL_FLAG(absl::Duration, snapshot_interval, absl::ZeroDuration(),
          "Save also this often, for example 5m. 0: on shutdown only.");

ABSL_FLAG(int, max_requests, 64,
          "Requests that may run at once, 1 to 4096; one more is refused. Each takes a thread.");
ABSL_FLAG(int, draft_deadline_ms, 20,
          "Longest wait for one draft, milliseconds, 1 to 3600000. A step whose draft is late goes "
          "without it.");
ABSL_FLAG(int, node_budget, 80,
          "Most drafted nodes a step where a request does not say, 0 to 1048576.");

namespace recycling {
namespace {

constexpr char kProgram[] = "recycling-standalone";

absl::StatusOr<std::unique_ptr<verifier::VerifierServer>> MakeVerifier() {
  return verifier::VerifierServer::Create({.model_path = absl::GetFlag(FLAGS_model),
                                           .threads = absl::GetFlag(FLAGS_threads),
                                           .max_sequences = absl::GetFlag(FLAGS_max_sequences),
                                           .context_length = absl::GetFlag(FLAGS_context_length),
                                           .k = absl::GetFlag(FLAGS_k),
                                           .max_tree_nodes = absl::GetFlag(FLAGS_max_tree_nodes),
                                           .prefill_chunk = absl::GetFlag(FLAGS_prefill_chunk),
                                           .kv_type = absl::GetFlag(FLAGS_kv_type)});
}

absl::StatusOr<std::unique_ptr<drafter::DrafterServer>> MakeDrafter() {
  drafter::DrafterOptions options;
  options.template_file = absl::GetFlag(FLAGS_tree_template);
  options.max_matrix_bytes = absl::GetFlag(FLAGS_max_matrix_bytes);
  options.allow_shared = absl::GetFlag(FLAGS_allow_shared);
  options.snapshot_dir = absl::GetFlag(FLAGS_snapshot_dir);
  options.snapshot_interval = absl::GetFlag(FLAGS_snapshot_interval);
  return drafter::CreateDrafter(options);
}

// `peers` serves verifier and drafter, and must outlive the gateway.
absl::StatusOr<std::unique_ptr<gateway::GatewayServer>> MakeGateway(RpcServer& peers) {
  return gateway::CreateGateway(
      {.verifiers = {{.address = "in-process verifier"}},
       .drafters = {{.address = "in-process drafter"}},
       .channel = [&peers](const std::string&) { return peers.InProcessChannel(); },
       .max_requests = absl::GetFlag(FLAGS_max_requests),
       .draft_deadline = absl::Milliseconds(absl::GetFlag(FLAGS_draft_deadline_ms)),
       .node_budget = absl::GetFlag(FLAGS_node_budget)});
}

// Serves until a stop signal. What is made later uses what is made earlier.
absl::Status Run() {
  ASSIGN_OR_RETURN(const auto verifier, MakeVerifier());
  ASSIGN_OR_RETURN(const auto drafter, MakeDrafter());
  ASSIGN_OR_RETURN(const auto peers, RpcServer::Start({.listen = absl::GetFlag(FLAGS_peer_listen)},
                                                      {verifier->service(), drafter->service()},
                                                      {verifier::VerifierServer::full_name(),
                                                       drafter::kDrafterServiceName}));
  peers->SetServing(true);
  ASSIGN_OR_RETURN(const auto gateway, MakeGateway(*peers));
  ASSIGN_OR_RETURN(const auto server,
                   RpcServer::Start({.listen = absl::GetFlag(FLAGS_listen),
                                     .health_listen = absl::GetFlag(FLAGS_health_listen),
                                     .port_file = absl::GetFlag(FLAGS_port_file)},
                                    {gateway->service()}, {gateway::GatewayServer::full_name()}));
  Log(LogLevel::kInfo, "serving",
      {{"addresses", absl::StrJoin(server->addresses(), ",")},
       {"peer_addresses", absl::StrJoin(peers->addresses(), ",")},
       {"model", verifier->Description()},
       {"build", BuildVersion()}});
  gateway->OnReady([&server](bool ready) { server->SetServing(ready); });

  WaitForStopSignal();
  Log(LogLevel::kInfo, "stopping");
  gateway->OnReady(nullptr);
  server->Shutdown(absl::GetFlag(FLAGS_drain_grace));
  peers->Shutdown(absl::ZeroDuration());
  return drafter->SaveSnapshots();
}

int Main(int argc, char** argv) {
  BlockStopSignals();
  const std::vector<std::string> words = ParseProgramFlags(
      argc, argv,
      {.name = kProgram,
       .summary = "gateway, verifier and drafter in one process: writes text by speculative "
                  "decoding over gRPC.",
       .examples = "recycling-standalone --model model.gguf\n"
                   "recycling-standalone --model model.gguf --listen unix:/run/recycling/gateway "
                   "--snapshot_dir /var/lib/recycling\n"});
  if (!words.empty()) {
    std::cerr << kProgram << ": got argument \"" << Escaped(words[0])
              << "\", expected flags only\n";
    return kExitUsage;
  }
  if (absl::GetFlag(FLAGS_model).empty()) {
    std::cerr << kProgram << ": --model: got none, expected a GGUF file\n";
    return kExitUsage;
  }
  const absl::Status status = Run();
  if (status.ok()) return kExitOk;
  std::cerr << kProgram << ": " << Escaped(std::string(status.message())) << "\n";
  return absl::IsInvalidArgument(status) ? kExitUsage : kExitFailure;
}

}  // namespace
}  // namespace recycling

int main(int argc, char** argv) { return recycling::Main(argc, argv); }
