#ifndef RECYCLING_VERIFIER_MODEL_MODEL_CONFIG_H_
#define RECYCLING_VERIFIER_MODEL_MODEL_CONFIG_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "verifier/model/architecture.h"
#include "verifier/model/gguf_file.h"

namespace recycling::verifier {

// How positions beyond the context of the training are rotated. Factors are 1e-6 to 1e6.
struct RopeScaling {
  enum class Kind {
    kLinear,  // every frequency is divided by `factor`
    kYarn,    // YaRN (arXiv 2309.00071): only low frequencies are divided
  };
  Kind kind = Kind::kLinear;           // .rope.scaling.type, default linear; "none": factor 1
  double factor = 1;                   // .rope.scaling.factor or .rope.scale_linear
  std::uint32_t original_context = 0;  // .rope.scaling.original_context_length, default
                                       // context_length
  double beta_fast = 32;               // .rope.scaling.yarn_beta_fast; above beta_slow
  double beta_slow = 1;                // .rope.scaling.yarn_beta_slow
  // Sines and cosines are multiplied by it. With YaRN it depends on the factor and on
  // .rope.scaling.yarn_log_multiplier; .rope.scaling.attn_factor multiplies it.
  double magnitude = 1;
};

// The configuration of the model in a model file. The comments name the keys; a key begins with the
// name of the architecture, for example "llama.block_count". Counts are 1 to 2^24.
struct ModelConfig {
  Architecture architecture;
  std::uint32_t vocab_size = 0;      // length of tokenizer.ggml.tokens
  std::uint32_t context_length = 0;  // .context_length, required
  std::uint32_t hidden_size = 0;     // .embedding_length, required
  std::uint32_t layers = 0;          // .block_count, required
  std::uint32_t feed_forward = 0;    // .feed_forward_length, required; of an expert:
                                     // .expert_feed_forward_length, default feed_forward_length
  // 0: the feed-forward blocks are no mixtures.
  std::uint32_t experts = 0;          // .expert_count, at most 1024
  std::uint32_t experts_used = 0;     // .expert_used_count, required in a mixture; of each row, at
                                      // most experts
  std::uint32_t heads = 0;            // .attention.head_count, required
  std::uint32_t kv_heads = 0;         // .attention.head_count_kv, default heads; divides heads
  std::uint32_t key_length = 0;       // .attention.key_length, default hidden_size / heads
  std::uint32_t value_length = 0;     // .attention.value_length, default hidden_size / heads
  std::uint32_t rope_dimensions = 0;  // .rope.dimension_count, default key_length; even, at most
                                      // key_length
  double rope_freq_base = 0;          // .rope.freq_base, default 10000; at least 1
  RopeScaling rope_scaling;
  float rms_epsilon = 0;  // .attention.layer_norm_rms_epsilon, default 1e-5

  // Scales that only some architectures have; see Architecture.
  float embedding_scale = 1;  // .embedding_scale, or sqrt(hidden_size); of the embeddings
  float residual_scale = 1;   // .residual_scale; of the output of each block
  float attention_scale = 0;  // .attention.scale; of the scores; 0: 1 / sqrt(key_length)
  float logit_divisor = 1;    // .logit_scale; the logits are divided by it
  // Soft caps c of Architecture; 0: none.
  float score_soft_cap = 0;  // .attn_logit_softcapping; of the scaled scores
  float logit_soft_cap = 0;  // .final_logit_softcapping
  // .attention.temperature_scale s: the query at position p is multiplied by
  // 1 + s ln(1 + floor(p / rope_scaling.original_context)).
  double temperature_scale = 0;

  // .attention.sliding_window; a layer with a window sees only so many positions, the row's own
  // position included. 0: no layer has one.
  std::uint32_t window = 0;
  std::uint32_t window_pattern = 0;  // see Architecture
  double window_freq_base = 0;       // .rope.freq_base_swa; at least 1; 0 if there is no window

  std::uint32_t heads_per_group() const { return heads / kv_heads; }
  // The window of layer `layer`; 0 if it sees all positions.
  std::uint32_t WindowOf(std::size_t layer) const {
    return window != 0 && layer % window_pattern + 1 < window_pattern ? window : 0;
  }
  // How many matrices of one kind the feed-forward block of a layer has.
  std::uint32_t feed_forward_blocks() const { return experts == 0 ? 1 : experts; }
  // Whether queries and keys of layer `layer` are rotated.
  bool Rotates(std::size_t layer) const {
    if (architecture.rotates_only_windows && window != 0 && WindowOf(layer) == 0) return false;
    const std::uint32_t every = architecture.unrotated_layer_every;
    return every == 0 || (layer + 1) % every != 0;
  }
};

// Reads a file of one of `architectures`. Returns DataLoss if a required value is absent, or if a
// value has the wrong type or is out of range. Returns Unimplemented for another architecture, for
// another rope scaling, and for experts or a soft cap that the architecture does not have; the
// message names it.
absl::StatusOr<ModelConfig> ReadModelConfig(
    const GgufFile& file, std::span<const Architecture> architectures = Architectures());

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_MODEL_CONFIG_H_
