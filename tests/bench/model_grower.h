// Grows a trained model into a larger one that computes the same function, so that the cost of a
// large model can be measured on real text.
//
// How the function stays the same, from hidden size h0 to h:
//  - added residual channels are always zero: embedding columns, rows of attention output and down
//    projection are zero. RMSNorm divides by the mean over h instead of h0 channels, so its weights
//    are multiplied by sqrt(h0 / h) and epsilon by h0 / h;
//  - added heads and feed-forward neurons compute something, but their output columns are zero;
//  - added layers compute something, but their attention output and down projection are zero.
// Every other added weight is random, so that no kernel gains from zeros.
#ifndef RECYCLING_TESTS_BENCH_MODEL_GROWER_H_
#define RECYCLING_TESTS_BENCH_MODEL_GROWER_H_

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "verifier/kernels/tensor_type.h"
#include "verifier/model/gguf_file.h"

namespace recycling::bench {

// The grown model's size; 0: as it was. Heads keep their size, and so many of them share a
// key-value head as before.
struct Growth {
  std::uint32_t layers = 0;
  std::uint32_t heads = 0;  // the hidden size is heads times the heads' size
  std::uint32_t kv_heads = 0;
  std::uint32_t feed_forward = 0;
  verifier::TensorType type = verifier::TensorType::kQ8_0;  // of matrices: F32, F16, Q8_0 or Q4_0
  std::uint64_t seed = 1;
};

// Writes the grown model as a GGUF file. Equal arguments give equal bytes. InvalidArgument if
// `growth` would shrink something, split a group of heads or leave rows that are not whole blocks
// of the type; the errors of ReadModelConfig and ReadWeights; DataLoss if `out` fails.
absl::Status GrowModel(const verifier::GgufFile& small, const Growth& growth, std::ostream& out);

// Appends `values` (whole blocks) in the number format of `type`, one of Growth's.
//   F16   to nearest
//   Q8_0  scale: the largest magnitude / 127, to nearest half; numbers to nearest
//   Q4_0  scale: of nine around "the largest number becomes -8", the one with the least squared
//         error; numbers to nearest
void EncodeRow(verifier::TensorType type, std::span<const float> values, std::string& out);

}  // namespace recycling::bench

#endif  // RECYCLING_TESTS_BENCH_MODEL_GROWER_H_
