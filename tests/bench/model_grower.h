// Grows a trained model into a larger one that computes the same function, so that the cost of a
// large model can be measured on real text.
//
// How the function stays the same, from hidden size h0 to h:
//  - added residual channels are always zero, because their embedding columns and their rows of the
//    attention output and of the down projection are zero. RMSNorm divides by the mean over h
//    instead of h0 channels, so its weights are multiplied by sqrt(h0 / h) and epsilon by h0 / h;
//  - the outputs of added heads and feed-forward neurons are multiplied by zero columns;
//  - added layers have zeros as attention output and as down projection;
//  - the experts of a mixture all have the trained weights. The shares that the router gives to the
//    experts of a row add up to 1.
// All other added weights are random, so that no kernel is faster because of zeros.
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

// The size of the grown model. 0 keeps the size of the small one. The head size, and the number of
// heads that share a key-value head, stay the same.
struct Growth {
  std::uint32_t layers = 0;
  std::uint32_t heads = 0;  // the hidden size is the number of heads times the head size
  std::uint32_t kv_heads = 0;
  std::uint32_t feed_forward = 0;
  // 0: no mixture. Otherwise each feed-forward block becomes a mixture of so many experts, with a
  // random router (F32) that chooses experts_used of them for each row.
  std::uint32_t experts = 0;
  std::uint32_t experts_used = 0;
  verifier::TensorType type = verifier::TensorType::kQ8_0;  // of matrices: F32, F16, Q8_0 or Q4_0
  std::uint64_t seed = 1;
};

// Writes the grown model as a GGUF file. Equal arguments give equal bytes. InvalidArgument if
// `growth` makes a size smaller, changes the number of heads for each key-value head, uses more
// experts than there are, or gives rows that are not whole blocks of the type. Unimplemented if the
// small model is a mixture. Also returns the errors of ReadModelConfig and
// ReadWeights, and DataLoss if `out` fails.
absl::Status GrowModel(const verifier::GgufFile& small, const Growth& growth, std::ostream& out);

// Appends `values` (whole blocks) in the number format of `type`, one that Growth allows. Rounds to
// the nearest number of the format. The scale of a block is
//   Q8_0  the largest magnitude / 127, rounded to F16
//   Q4_0  of nine scales, the one with the least squared error; the scale in the middle maps the
//         value of the largest magnitude to -8
void EncodeRow(verifier::TensorType type, std::span<const float> values, std::string& out);

}  // namespace recycling::bench

#endif  // RECYCLING_TESTS_BENCH_MODEL_GROWER_H_
