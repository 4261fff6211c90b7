#ifndef RECYCLING_VERIFIER_MODEL_MODEL_CONFIG_H_
#define RECYCLING_VERIFIER_MODEL_MODEL_CONFIG_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "verifier/model/architecture.h"
#include "verifier/model/gguf_file.h"

namespace recycling::verifier {

// The configuration of the model in a model file. The comments name the keys; a key begins with the
// name of the architecture, for example "llama.block_count". Counts are 1 to 2^24.
struct ModelConfig {
  Architecture architecture;
  std::uint32_t vocab_size = 0;       // length of tokenizer.ggml.tokens
  std::uint32_t context_length = 0;   // .context_length, required
  std::uint32_t hidden_size = 0;      // .embedding_length, required
  std::uint32_t layers = 0;           // .block_count, required
  std::uint32_t feed_forward = 0;     // .feed_forward_length, required
  std::uint32_t heads = 0;            // .attention.head_count, required
  std::uint32_t kv_heads = 0;         // .attention.head_count_kv, default heads; divides heads
  std::uint32_t key_length = 0;       // .attention.key_length, default hidden_size / heads
  std::uint32_t value_length = 0;     // .attention.value_length, default hidden_size / heads
  std::uint32_t rope_dimensions = 0;  // .rope.dimension_count, default key_length; even, at most
                                      // key_length
  double rope_freq_base = 0;          // .rope.freq_base, default 10000; at least 1
  float rms_epsilon = 0;              // .attention.layer_norm_rms_epsilon, default 1e-5

  std::uint32_t heads_per_group() const { return heads / kv_heads; }
};

// Reads a file of one of `architectures`. Returns DataLoss if a required value is absent, or if a
// value has the wrong type or is out of range. Returns Unimplemented for another architecture, for
// rope scaling and for experts; the message names it.
absl::StatusOr<ModelConfig> ReadModelConfig(
    const GgufFile& file, std::span<const Architecture> architectures = Architectures());

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_MODEL_CONFIG_H_
