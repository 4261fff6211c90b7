#ifndef RECYCLING_VERIFIER_MODEL_WEIGHTS_H_
#define RECYCLING_VERIFIER_MODEL_WEIGHTS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "verifier/kernels/matrix.h"
#include "verifier/model/gguf_file.h"
#include "verifier/model/model_config.h"

namespace recycling::verifier {

struct LayerWeights {
  std::vector<float> attention_norm;     // [hidden_size]
  Matrix query;                          // [heads * key_length, hidden_size]
  Matrix key;                            // [kv_heads * key_length, hidden_size]
  Matrix value;                          // [kv_heads * value_length, hidden_size]
  Matrix attention_output;               // [hidden_size, heads * value_length]
  std::vector<float> feed_forward_norm;  // [hidden_size]
  Matrix gate;                           // [feed_forward, hidden_size]
  Matrix up;                             // [feed_forward, hidden_size]
  Matrix down;                           // [hidden_size, feed_forward]
};

struct Weights {
  Matrix embedding;                  // [vocab_size, hidden_size]
  std::vector<LayerWeights> layers;  // [layers]
  std::vector<float> output_norm;    // [hidden_size]
  Matrix output;                     // [vocab_size, hidden_size]; tied models: the embedding
  std::vector<float> rope_factors;   // [rope_dimensions / 2] divisors of the frequencies, or empty
};

// Finds every tensor of the architecture. `file` must outlive the result. DataLoss if a tensor is
// absent or its shape is not what `config` says; Unimplemented, by name, for a tensor type that is
// not supported or a tensor the architecture does not have.
absl::StatusOr<Weights> ReadWeights(const GgufFile& file, const ModelConfig& config);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_MODEL_WEIGHTS_H_
