#include "verifier/service/verifier_flags.h"

#include <cstdint>
#include <string>

#include "absl/flags/flag.h"
#include "absl/time/time.h"
#include "common/base/byte_size.h"
#include "common/base/status_macros.h"
#include "common/program/stream_flags.h"

ABSL_FLAG(std::string, model, "", "GGUF file of the llama architecture to serve. Required.");
ABSL_FLAG(int, threads, 0, "Threads of the forward pass, at most 1024. 0: one for each core.");
ABSL_FLAG(int, max_sequences, 8, "Sequences that may be open at once, 1 to 4096.");
ABSL_FLAG(std::uint32_t, context_length, 0,
          "Most tokens of a sequence, prompt and output, at most 1048576. 0: what the model was "
          "trained for.");
ABSL_FLAG(std::uint32_t, k, 8, "Candidates returned for each row, 1 to 64.");
ABSL_FLAG(int, max_tree_nodes, 256, "Most nodes of a draft tree beside the root, 0 to 4096.");
ABSL_FLAG(int, prefill_chunk, 256, "Prompt tokens in one pass, 1 to 4096.");
ABSL_FLAG(std::string, kv_type, "f16", "Number format of cached keys and values: f16 or f32.");
ABSL_FLAG(
    recycling::ByteSize, kv_bytes, {},
    "Bound on the memory of all cached keys and values, for example 2GiB: what open sequences "
    "have and may still need, and prefixes kept for reuse. A sequence that may need more than "
    "is left is refused when it opens. 0: what max_sequences of context_length take, at most "
    "half of the memory this process may use.");
ABSL_FLAG(
    absl::Duration, cost_budget, absl::Seconds(3),
    "Longest time to spend at start on measuring what passes of several sizes cost. 0: one row "
    "only.");

ABSL_FLAG(std::string, kernel, "auto",
          "Kernel of the forward pass: portable, avx2, avx512, avx512-vnni or amx; auto: the best "
          "that this machine has.");

namespace recycling::verifier {

absl::StatusOr<VerifierOptions> OptionsFromFlags() {
  if (absl::GetFlag(FLAGS_model).empty()) {
    return absl::InvalidArgumentError("--model: got none, expected a GGUF file");
  }
  ASSIGN_OR_RETURN(const absl::Duration stream_idle_timeout, StreamIdleTimeoutFromFlag());
  return VerifierOptions{.model_path = absl::GetFlag(FLAGS_model),
                         .threads = absl::GetFlag(FLAGS_threads),
                         .max_sequences = absl::GetFlag(FLAGS_max_sequences),
                         .context_length = absl::GetFlag(FLAGS_context_length),
                         .k = absl::GetFlag(FLAGS_k),
                         .max_tree_nodes = absl::GetFlag(FLAGS_max_tree_nodes),
                         .prefill_chunk = absl::GetFlag(FLAGS_prefill_chunk),
                         .kv_type = absl::GetFlag(FLAGS_kv_type),
                         .kv_bytes = absl::GetFlag(FLAGS_kv_bytes).bytes,
                         .kernel = absl::GetFlag(FLAGS_kernel),
                         .cost_budget = absl::GetFlag(FLAGS_cost_budget),
                         .stream_idle_timeout = stream_idle_timeout};
}

}  // namespace recycling::verifier
