#include "verifier/service/verifier_flags.h"

#include <cstdint>
#include <string>

#include "absl/flags/flag.h"
#include "absl/time/time.h"
#include "common/base/byte_size.h"
#include "verifier/service/engine_flags.h"

ABSL_FLAG(std::string, model, "", "GGUF file of the model to serve. Required.");
ABSL_FLAG(std::uint32_t, k, 8,
          "Candidates: how many of the most probable next tokens the verifier sends for each "
          "verified token, 1 to 64.");
ABSL_FLAG(recycling::ByteSize, kv_bytes, {},
          "The most memory for keys and values, for example 2GiB. Open sequences use it, and "
          "prefixes that are kept for reuse. If a new sequence may need more memory than is free, "
          "the verifier refuses it. 0: enough for --max_sequences sequences of --context_length "
          "tokens, but at most half of the memory that this process may use.");
ABSL_FLAG(absl::Duration, cost_budget, absl::Seconds(3),
          "The most time that the verifier may use at start to measure how long passes take with "
          "each kernel. It measures the other sizes while no sequence is open. 0: only a pass of "
          "one row is measured.");

namespace recycling::verifier {

std::vector<FlagGroup> VerifierFlags() {
  return {GroupOf("Model", FLAGS_model, FLAGS_context_length, FLAGS_kv_type, FLAGS_k,
                  FLAGS_pretokenizer),
          GroupOf("Processor and memory", FLAGS_threads, FLAGS_arithmetic, FLAGS_kernel,
                  FLAGS_max_sequences, FLAGS_kv_bytes, FLAGS_cost_budget)};
}

absl::StatusOr<VerifierOptions> OptionsFromFlags() {
  if (absl::GetFlag(FLAGS_model).empty()) {
    return absl::InvalidArgumentError("--model: got none, expected a GGUF file");
  }
  return VerifierOptions{.model_path = absl::GetFlag(FLAGS_model),
                         .pretokenizer = absl::GetFlag(FLAGS_pretokenizer),
                         .threads = absl::GetFlag(FLAGS_threads),
                         .max_sequences = absl::GetFlag(FLAGS_max_sequences),
                         .context_length = absl::GetFlag(FLAGS_context_length),
                         .k = absl::GetFlag(FLAGS_k),
                         .kv_type = absl::GetFlag(FLAGS_kv_type),
                         .kv_bytes = absl::GetFlag(FLAGS_kv_bytes).bytes,
                         .kernel = absl::GetFlag(FLAGS_kernel),
                         .arithmetic = absl::GetFlag(FLAGS_arithmetic),
                         .cost_budget = absl::GetFlag(FLAGS_cost_budget)};
}

}  // namespace recycling::verifier
