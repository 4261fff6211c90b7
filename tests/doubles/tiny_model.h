// Writes complete small models with random weights, for tests. They load, tokenize and run in
// milliseconds. A test chooses the shapes, the tensor types and the special cases.
#ifndef RECYCLING_TESTS_DOUBLES_TINY_MODEL_H_
#define RECYCLING_TESTS_DOUBLES_TINY_MODEL_H_

#include <cstdint>
#include <string>

#include "tests/doubles/gguf_writer.h"

namespace recycling::doubles {

// The norms attn_q_norm and attn_k_norm: none, one for each head, or one for all heads of a row.
enum class TinyHeadNorm { kNone, kHead, kRow };

// What to write. Equal specs give equal bytes.
struct TinyModelSpec {
  // The value of general.architecture and the prefix of the keys. TinyModelOf has the specs of
  // known architectures. A test must add the tensors that a made-up one has.
  std::string architecture = "llama";
  // Ids 0 to 2 are <unk>, <s>, </s>, then the 256 byte tokens, then text pieces: the letters, "▁",
  // common pairs and words, then made-up ones. A tokenizer can be created from 260 or more.
  std::uint32_t vocab_size = 320;
  std::uint32_t hidden_size = 32;
  std::uint32_t layers = 2;
  std::uint32_t kv_heads = 2;
  std::uint32_t heads_per_group = 2;  // query heads = kv_heads * heads_per_group
  std::uint32_t key_length = 8;       // head size of queries and keys, even
  std::uint32_t value_length = 8;     // head size of values
  std::uint32_t feed_forward = 48;
  std::uint32_t context_length = 256;
  bool attention_norm = true;     // whether there is attn_norm.weight
  bool feed_forward_norm = true;  // whether there is ffn_norm.weight
  bool post_norms = false;        // whether there are post_attention_norm and post_ffw_norm
  bool biases = false;            // whether there are attn_q.bias, attn_k.bias and attn_v.bias
  TinyHeadNorm head_norm = TinyHeadNorm::kNone;
  bool scales = false;       // whether there are scales of embeddings, blocks, scores and logits
  std::uint32_t window = 0;  // attention.sliding_window; 0: the file has no such key
  // Writes attn_qkv in place of attn_q, attn_k and attn_v, and the rows of ffn_gate before those of
  // ffn_up. The numbers are the same.
  bool fused_projections = false;
  // 0: no mixture. Otherwise each layer has a router and so many experts, which do not exist with
  // fused_projections. The sizes of an expert are those of the block that it replaces.
  std::uint32_t experts = 0;
  std::uint32_t experts_used = 0;
  bool tied = false;          // no output.weight: token_embd.weight is used
  bool rope_factors = false;  // whether there is rope_freqs.weight
  // Type of the matrices, as the file format numbers them. Any type that a verifier supports is
  // allowed. A matrix whose rows are not whole blocks (of 32 or 256 values) stays F32.
  std::uint32_t matrix_type = 0;
  // 0: no outliers. N: one of every N input channels of each projection is an outlier, a hundred
  // times as large as the others. (The output projection of a tied model has none.) The weights of
  // an outlier channel are a hundred times smaller, so that the other channels still matter. In
  // Q8_0 and Q4_0 they are the smallest numbers that are not zero. In the other types with blocks
  // they are unchanged.
  std::uint32_t outlier_every = 0;
  std::uint64_t seed = 1;
};

// A model of an architecture that the verifier knows ("llama", "gemma3" and so on), with all its
// tensors. If the architecture has layers with a window, the window is 20.
TinyModelSpec TinyModelOf(const std::string& architecture);

// A writer that has all values and tensors of the model. A test can add more before Finish.
GgufWriter TinyModelWriter(const TinyModelSpec& spec);

// The bytes of the model file.
std::string TinyModelBytes(const TinyModelSpec& spec);

// Writes the model file. Returns false if that fails.
[[nodiscard]] bool WriteTinyModel(const TinyModelSpec& spec, const std::string& path);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_TINY_MODEL_H_
