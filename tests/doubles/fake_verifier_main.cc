#include <cstdio>
#include <map>

#include "absl/flags/flag.h"
#include "common/program/program.h"
#include "common/rpc/rpc_server.h"
#include "tests/doubles/fake_program.h"
#include "tests/doubles/fake_verifier_service.h"

ABSL_FLAG(std::uint32_t, vocab_size, 320, "Tokens of the toy language, 4 to 1000000.");
ABSL_FLAG(std::uint64_t, variant, 0, "Toy language. Each number gives another language.");
ABSL_FLAG(std::uint32_t, context_length, 4096, "Most tokens of a sequence, at least 2.");
ABSL_FLAG(std::uint32_t, k, 8, "Candidates per row, 1 to 64 and at most --vocab_size.");
ABSL_FLAG(int, max_tree_nodes, 80, "Most nodes of a tree beside the root, 0 or more.");
ABSL_FLAG(std::uint32_t, max_sequences, 64, "Sequences that can be open at once, at least 1.");
ABSL_FLAG(std::string, mode, "ok",
          "Fault in a verify step: ok (nothing), error (UNAVAILABLE), silent (no answer), "
          "dropped (the stream ends), wrong_step, no_tokens, unknown_token, or mismatch (the "
          "handshake names another model).");
ABSL_FLAG(std::int64_t, fail_at_step, -1,
          "Number of the step that fails in each sequence; -1: every step.");

namespace {

using recycling::doubles::VerifierFault;

std::function<VerifierFault(std::uint64_t)> Always(VerifierFault fault) {
  return [fault](std::uint64_t) { return fault; };
}

}  // namespace

int main(int argc, char** argv) {
  using namespace recycling;
  BlockStopSignals();
  const std::string name = "recycling-fake-verifier";
  ParseProgramFlags(
      argc, argv,
      {.name = name,
       .summary = "A verifier without a model, for tests of other services. It decodes a "
                  "toy language. Flags choose its failures.",
       .examples = "recycling-fake-verifier --listen=127.0.0.1:50051\n"
                   "recycling-fake-verifier --mode=error --fail_at_step=3 "
                   "--port_file=/tmp/verifier.port"});
  const std::string mode = absl::GetFlag(FLAGS_mode);
  auto fault =
      doubles::FaultOfMode<VerifierFault>(mode, absl::GetFlag(FLAGS_fail_at_step),
                                          {{"ok", Always(VerifierFault::kNone)},
                                           {"error", Always(VerifierFault::kError)},
                                           {"silent", Always(VerifierFault::kSilent)},
                                           {"dropped", Always(VerifierFault::kDropped)},
                                           {"wrong_step", Always(VerifierFault::kWrongStep)},
                                           {"no_tokens", Always(VerifierFault::kNoTokens)},
                                           {"unknown_token", Always(VerifierFault::kUnknownToken)},
                                           {"mismatch", Always(VerifierFault::kNone)}});
  const std::uint32_t vocab_size = absl::GetFlag(FLAGS_vocab_size);
  const std::uint32_t k = absl::GetFlag(FLAGS_k);
  absl::Status usage = fault.status();
  if (vocab_size < 4 || vocab_size > 1'000'000) {
    usage = absl::InvalidArgumentError("--vocab_size: expected 4 to 1000000");
  }
  if (k < 1 || k > 64 || k > vocab_size) {
    usage = absl::InvalidArgumentError("--k: expected 1 to 64 and at most --vocab_size");
  }
  if (!usage.ok()) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), std::string(usage.message()).c_str());
    return kExitUsage;
  }
  doubles::FakeVerifierService service(
      {.model = std::make_shared<doubles::ToyModel>(doubles::ToyModelOptions{
           .vocab_size = vocab_size, .variant = absl::GetFlag(FLAGS_variant)}),
       .context_length = absl::GetFlag(FLAGS_context_length),
       .k = k,
       .max_tree_nodes = absl::GetFlag(FLAGS_max_tree_nodes),
       .max_sequences = absl::GetFlag(FLAGS_max_sequences),
       .fault = *std::move(fault),
       .on_call = doubles::LatencyHook("verifier.verify")});
  if (mode == "mismatch") {
    service.set_edit_handshake([](verifier::v1::HandshakeResponse& response) {
      response.mutable_model()->set_model_id("another-model");
    });
  }
  return doubles::ServeUntilStopped(name, service, "recycling.verifier.v1.VerifierService");
}
