#include <cstdio>
#include <map>

#include "absl/flags/flag.h"
#include "common/program/program.h"
#include "common/rpc/rpc_server.h"
#include "tests/doubles/fake_drafter_service.h"
#include "tests/doubles/fake_program.h"

ABSL_FLAG(std::uint32_t, vocab_size, 320, "Tokens of the toy language, 4 to 1000000.");
ABSL_FLAG(std::uint64_t, variant, 0, "Toy language. Each number gives another language.");
ABSL_FLAG(std::uint32_t, k, 8, "Number of candidates per row that it accepts.");
ABSL_FLAG(
    bool, any_model, false,
    "Accept every model and k, and draft tokens of the caller's vocabulary. Use it with a real "
    "verifier.");
ABSL_FLAG(
    double, acceptance_rate, 1,
    "Probability that a draft is right at a depth if it was right at all depths above, 0 to 1.");
ABSL_FLAG(std::uint64_t, seed, 0, "Seed of --acceptance_rate.");
ABSL_FLAG(int, children, 2, "Children of the right node at each depth, at least 1.");
ABSL_FLAG(int, max_tree_nodes, 80, "Most nodes it proposes beside the root, 0 or more.");
ABSL_FLAG(std::string, mode, "ok",
          "Fault in a step: ok (nothing), error (INTERNAL), silent (no answer), dropped "
          "(the stream ends), stale (a tree for an earlier base), garbage (one kind of malformed "
          "tree after the other), or mismatch (it serves another model).");
ABSL_FLAG(std::int64_t, fail_at_step, -1,
          "Number of the step that fails in each session; -1: every step.");

namespace {

using recycling::doubles::DraftFault;

std::function<DraftFault(std::uint64_t)> Always(DraftFault fault) {
  return [fault](std::uint64_t) { return fault; };
}

}  // namespace

int main(int argc, char** argv) {
  using namespace recycling;
  BlockStopSignals();
  const std::string name = "recycling-fake-drafter";
  ParseProgramFlags(
      argc, argv,
      {.name = name,
       .summary =
           "A drafter without a matrix, for tests of other services. It knows the "
           "toy language. Flags choose how often its drafts are right and how they are wrong.",
       .examples = "recycling-fake-drafter --listen=127.0.0.1:50052 "
                   "--acceptance_rate=0.7\n"
                   "recycling-fake-drafter --mode=garbage --any_model "
                   "--port_file=/tmp/drafter.port"});
  const std::string mode = absl::GetFlag(FLAGS_mode);
  auto fault = doubles::FaultOfMode<DraftFault>(mode, absl::GetFlag(FLAGS_fail_at_step),
                                                {{"ok", Always(DraftFault::kNone)},
                                                 {"error", Always(DraftFault::kError)},
                                                 {"silent", Always(DraftFault::kSilent)},
                                                 {"dropped", Always(DraftFault::kDropped)},
                                                 {"stale", Always(DraftFault::kStale)},
                                                 {"garbage", doubles::Garbage},
                                                 {"mismatch", Always(DraftFault::kNone)}});
  const std::uint32_t vocab_size = absl::GetFlag(FLAGS_vocab_size);
  const double rate = absl::GetFlag(FLAGS_acceptance_rate);
  absl::Status usage = fault.status();
  if (vocab_size < 4 || vocab_size > 1'000'000) {
    usage = absl::InvalidArgumentError("--vocab_size: expected 4 to 1000000");
  }
  if (!(rate >= 0 && rate <= 1)) {
    usage = absl::InvalidArgumentError("--acceptance_rate: expected 0 to 1");
  }
  if (!usage.ok()) {
    std::fprintf(stderr, "%s: %s\n", name.c_str(), std::string(usage.message()).c_str());
    return kExitUsage;
  }
  doubles::FakeDrafterService service(
      {.model = std::make_shared<doubles::ToyModel>(doubles::ToyModelOptions{
           .vocab_size = vocab_size, .variant = absl::GetFlag(FLAGS_variant)}),
       .acceptance_rate = rate,
       .seed = absl::GetFlag(FLAGS_seed),
       .children = absl::GetFlag(FLAGS_children),
       .max_tree_nodes = absl::GetFlag(FLAGS_max_tree_nodes),
       .fault = *std::move(fault),
       .on_call = doubles::LatencyHook("drafter.propose")},
      absl::GetFlag(FLAGS_k));
  if (absl::GetFlag(FLAGS_any_model)) service.set_any_model();
  if (mode == "mismatch") {
    service.set_identity({.model_id = "another-model",
                          .vocab_size = vocab_size,
                          .tokenizer_digest = std::string(32, 'x')});
  }
  return doubles::ServeUntilStopped(name, service, "recycling.drafter.v1.DrafterService");
}
