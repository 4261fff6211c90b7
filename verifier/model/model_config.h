#ifndef RECYCLING_VERIFIER_MODEL_MODEL_CONFIG_H_
#define RECYCLING_VERIFIER_MODEL_MODEL_CONFIG_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "verifier/model/gguf_file.h"

namespace recycling::verifier {

// Dimensions of a model of architecture "llama". All are at least 1.
struct ModelConfig {
  std::uint32_t vocab_size = 0;       // tokenizer.ggml.tokens
  std::uint32_t context_length = 0;   // llama.context_length, required; at most 2^24
  std::uint32_t hidden_size = 0;      // llama.embedding_length, required
  std::uint32_t layers = 0;           // llama.block_count, required
  std::uint32_t feed_forward = 0;     // llama.feed_forward_length, required
  std::uint32_t heads = 0;            // llama.attention.head_count, required
  std::uint32_t kv_heads = 0;         // llama.attention.head_count_kv, default heads; divides heads
  std::uint32_t key_length = 0;       // llama.attention.key_length, default hidden_size / heads
  std::uint32_t value_length = 0;     // llama.attention.value_length, default hidden_size / heads
  std::uint32_t rope_dimensions = 0;  // llama.rope.dimension_count, default key_length; even, at
                                      // most key_length
  double rope_freq_base = 0;          // llama.rope.freq_base, default 10000; at least 1
  float rms_epsilon = 0;              // llama.attention.layer_norm_rms_epsilon, default 1e-5

  std::uint32_t heads_per_group() const { return heads / kv_heads; }
};

// DataLoss if a value is absent, of the wrong type or out of range; Unimplemented, by name, for
// another architecture, a rope scaling or experts.
absl::StatusOr<ModelConfig> ReadModelConfig(const GgufFile& file);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_MODEL_CONFIG_H_
