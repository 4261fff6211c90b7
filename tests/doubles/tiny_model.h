// Writes complete small models with random weights, for tests. They load, tokenize and run in
// milliseconds. A test chooses the shapes, the tensor types and the special cases of the format.
#ifndef RECYCLING_TESTS_DOUBLES_TINY_MODEL_H_
#define RECYCLING_TESTS_DOUBLES_TINY_MODEL_H_

#include <cstdint>
#include <string>

#include "tests/doubles/gguf_writer.h"

namespace recycling::doubles {

// What to write. Equal specs give equal bytes.
struct TinyModelSpec {
  // The value of general.architecture and the prefix of the keys. The tensors are llama's; a test
  // adds those that another architecture has beside them.
  std::string architecture = "llama";
  // Ids 0 to 2 are <unk>, <s>, </s>, then the 256 byte tokens, then text pieces: the letters, "▁",
  // common pairs and words, then made-up ones. At least 260 for a tokenizer that can be created.
  std::uint32_t vocab_size = 320;
  std::uint32_t hidden_size = 32;
  std::uint32_t layers = 2;
  std::uint32_t kv_heads = 2;
  std::uint32_t heads_per_group = 2;  // query heads = kv_heads * heads_per_group
  std::uint32_t key_length = 8;       // head size of queries and keys, even
  std::uint32_t value_length = 8;     // head size of values
  std::uint32_t feed_forward = 48;
  std::uint32_t context_length = 256;
  bool feed_forward_norm = true;  // with ffn_norm.weight
  bool tied = false;              // no output.weight: token_embd.weight is used
  bool rope_factors = false;      // with rope_freqs.weight
  // Type of the matrices, as the format numbers them: 0 F32, 1 F16, 2 Q4_0, 8 Q8_0, 14 Q6_K, 30
  // BF16. A matrix whose rows are not whole blocks (32 values; 256 for Q6_K) stays F32.
  std::uint32_t matrix_type = 0;
  // 0: no outliers. N: one of every N input channels of each projection (in a tied model, not of
  // the last one) is an outlier, a hundred times as large as the others. Its weights are smaller by
  // as much (in Q8_0 and Q4_0 the smallest ones; in Q6_K unchanged), so that the other channels
  // still matter.
  std::uint32_t outlier_every = 0;
  std::uint64_t seed = 1;
};

// A writer that holds the whole model, for tests that add to it before Finish.
GgufWriter TinyModelWriter(const TinyModelSpec& spec);

// The file's bytes.
std::string TinyModelBytes(const TinyModelSpec& spec);

// Writes the file. False if it could not be written.
[[nodiscard]] bool WriteTinyModel(const TinyModelSpec& spec, const std::string& path);

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_TINY_MODEL_H_
