#ifndef RECYCLING_VERIFIER_MODEL_WEIGHTS_H_
#define RECYCLING_VERIFIER_MODEL_WEIGHTS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "verifier/kernels/matrix.h"
#include "verifier/model/gguf_file.h"
#include "verifier/model/model_config.h"

namespace recycling::verifier {

// A vector that the architecture does not have is empty.
struct LayerWeights {
  std::vector<float> attention_norm;       // [hidden_size]
  Matrix query;                            // [heads * key_length, hidden_size]
  Matrix key;                              // [kv_heads * key_length, hidden_size]
  Matrix value;                            // [kv_heads * value_length, hidden_size]
  std::vector<float> query_bias;           // [heads * key_length]
  std::vector<float> key_bias;             // [kv_heads * key_length]
  std::vector<float> value_bias;           // [kv_heads * value_length]
  std::vector<float> query_norm;           // [key_length] or [heads * key_length]
  std::vector<float> key_norm;             // [key_length] or [kv_heads * key_length]
  Matrix attention_output;                 // [hidden_size, heads * value_length]
  std::vector<float> attention_post_norm;  // [hidden_size]
  std::vector<float> feed_forward_norm;    // [hidden_size]
  Matrix router;  // [experts, hidden_size]; empty if the block is no mixture
  // [feed_forward_blocks]; one matrix, or that of each expert.
  std::vector<Matrix> gate;                   // of [feed_forward, hidden_size]
  std::vector<Matrix> up;                     // of [feed_forward, hidden_size]
  std::vector<Matrix> down;                   // of [hidden_size, feed_forward]
  std::vector<float> feed_forward_post_norm;  // [hidden_size]
};

struct Weights {
  Matrix embedding;                  // [vocab_size, hidden_size]
  std::vector<LayerWeights> layers;  // [layers]
  std::vector<float> output_norm;    // [hidden_size]
  Matrix output;                     // [vocab_size, hidden_size]; tied models: the embedding
  // [rope_dimensions / 2]; divisors of the rotation's frequencies. Empty: all are 1.
  std::vector<float> rope_factors;
  // The same for a served context above rope_scaling.original_context. Equal to rope_factors unless
  // the architecture has FrequencyFactors::kShortOrLong.
  std::vector<float> long_rope_factors;
};

// Reads every tensor of the architecture. `file` must outlive the result. Returns DataLoss if a
// tensor is absent or does not have the shape that `config` requires. Returns Unimplemented, with
// the name of the tensor, if its type is not supported or if the architecture has no such tensor.
absl::StatusOr<Weights> ReadWeights(const GgufFile& file, const ModelConfig& config);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_WEIGHTS_H_
