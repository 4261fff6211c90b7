// The differences between model architectures. All architectures are one decoder with small
// changes, so each architecture is a value of one type. The readers of model files and the forward
// pass read this value. To add an architecture, add a description. To add a kind of change, add a
// field and compute it in the forward pass.
#ifndef RECYCLING_VERIFIER_MODEL_ARCHITECTURE_H_
#define RECYCLING_VERIFIER_MODEL_ARCHITECTURE_H_

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
  // Embeddings are multiplied by sqrt(hidden_size).
  bool scaled_embedding = false;
  Rotation rotation = Rotation::kNeighbours;
  Activation activation = Activation::kSilu;
};

// The architectures that the verifier can serve.
std::span<const Architecture> Architectures();

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_ARCHITECTURE_H_
