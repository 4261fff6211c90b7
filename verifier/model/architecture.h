// The differences between model architectures. All architectures are one decoder with small
// changes, so each architecture is a value of one type. The readers of model files and the forward
// pass read this value. To add an architecture, add a description. To add a kind of change, add a
// field and compute it in the forward pass.
#ifndef RECYCLING_VERIFIER_MODEL_ARCHITECTURE_H_
#define RECYCLING_VERIFIER_MODEL_ARCHITECTURE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace recycling::verifier {

// The function of the gate in a feed-forward block: W_down (activation(W_gate x) * W_up x).
enum class Activation {
  kSilu,      // x / (1 + e^-x)
  kGeluTanh,  // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
};

// The two numbers of a head that RoPE rotates together. d is the number of rotated dimensions.
enum class Rotation {
  kNeighbours,  // 2i and 2i + 1
  kHalves,      // i and i + d / 2
};

// The numbers of a query or key that are normalized together, before the rotation. The weights are
// the tensors "blk.<layer>.attn_q_norm.weight" and "blk.<layer>.attn_k_norm.weight".
enum class QueryKeyNorm {
  kNone,   // there is no such norm
  kHead,   // each head; both tensors are [key_length]
  kHeads,  // all heads of a row; [heads * key_length] and [kv_heads * key_length]
};

// Where the divisors of the rotation's frequencies are. If the tensor is absent, all are 1.
enum class FrequencyFactors {
  kOne,          // tensor "rope_freqs.weight"
  kShortOrLong,  // "rope_factors_long.weight" if the served context is longer than
                 // rope.scaling.original_context_length, otherwise "rope_factors_short.weight"
};

// Whether the feed-forward block of a layer is a mixture: several such blocks, which are called
// experts, and a router, which chooses a few of them for each row. The router is the tensor
// "blk.<layer>.ffn_gate_inp.weight", and the experts are stacked in "ffn_gate_exps", "ffn_up_exps"
// and "ffn_down_exps".
enum class Mixture {
  kNone,
  kOptional,  // if the file has expert_count
  kRequired,
};

// One architecture. The defaults are llama's. Strings are literals: they live as long as the
// program.
struct Architecture {
  // The value of general.architecture, and the prefix of the file's keys ("llama.block_count").
  std::string_view name = "llama";

  // The norms of a layer: tensor "blk.<layer>.<name>.weight", [hidden_size]. Empty: the
  // architecture has no norm at this place.
  std::string_view attention_norm = "attn_norm";    // norm of the input of attention
  std::string_view attention_post_norm = "";        // norm of the output of attention
  std::string_view feed_forward_norm = "ffn_norm";  // norm of the input of the feed-forward block
  std::string_view feed_forward_post_norm = "";

  // Queries, keys and values have a bias: tensors "blk.<layer>.attn_q.bias", "attn_k", "attn_v".
  bool query_key_value_bias = false;
  QueryKeyNorm query_key_norm = QueryKeyNorm::kNone;
  // Tensor "attn_qkv" has the rows of the queries, the keys and the values, in this order. Tensor
  // "ffn_up" has the rows of the gate, then those of W_up.
  bool fused_projections = false;
  // Embeddings are multiplied by sqrt(hidden_size).
  bool scaled_embedding = false;
  // The file may have embedding_scale, residual_scale, attention.scale and logit_scale.
  bool has_scales = false;
  // A model with exactly this many layers scales its scores by 1 / sqrt(hidden_size / heads), not
  // by 1 / sqrt(key_length). 0: no model does.
  std::uint32_t hidden_scale_layers = 0;
  // The file may have attention.temperature_scale.
  bool has_temperature = false;
  // If there is a window w (attention.sliding_window), the layers are taken in groups of this size.
  // All layers of a group but its last one see only the last w positions. 0: all layers see all
  // positions, whatever the file has. The file may have attention.sliding_window_pattern, which
  // replaces this number.
  std::uint32_t window_pattern = 0;
  // The window of a file that has no attention.sliding_window. 0: none.
  std::uint32_t default_window = 0;
  // The soft cap c of the scores, and that of the logits: x becomes c tanh(x / c). The file may
  // have another one, attn_logit_softcapping and final_logit_softcapping. 0: none, unless the file
  // has one. No value: the architecture has no such cap.
  std::optional<float> score_soft_cap;
  std::optional<float> logit_soft_cap;
  // Base of the rotation of layers with a window, if the file has no rope.freq_base_swa. 0: the
  // base of the other layers.
  double window_freq_base = 0;
  // Layers with a window have the rope scaling and the divisors of the frequencies that the other
  // layers have. Otherwise they have neither.
  bool window_rope_scaling = false;
  Rotation rotation = Rotation::kNeighbours;
  FrequencyFactors frequency_factors = FrequencyFactors::kOne;
  // Layer i does not rotate if i + 1 is a multiple of this number. 0: all layers rotate.
  std::uint32_t unrotated_layer_every = 0;
  // In a model with a window, layers without a window do not rotate.
  bool rotates_only_windows = false;
  Activation activation = Activation::kSilu;
  Mixture mixture = Mixture::kNone;
};

// The architectures that the verifier can serve.
std::span<const Architecture> Architectures();

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_ARCHITECTURE_H_
