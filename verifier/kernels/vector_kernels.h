// The inner loops other than the matrix products. There is one build for each instruction set; the
// program chooses one when it starts.
//
// Every function gives the same bits in every build.
#ifndef RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_H_
#define RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/cpu.h"

namespace recycling::verifier {

// The number of positions in a block. Attention computes one block at a time. This number affects
// the bits of the result.
constexpr std::size_t kKvBlockRows = 64;

// With at most this many queries, scores_half and attend_half are faster than converting a block
// first.
constexpr std::size_t kFewQueries = 6;

// The state of one query after some blocks of positions is an array of floats. The constants are
// the offsets of: the largest score; the factor by which the last block scaled down everything
// before it; the sum of weights in each of 16 lanes; the weighted sum of values, padded to a
// multiple of 16 floats.
struct AttentionState {
  static constexpr std::size_t kMaximum = 0;
  static constexpr std::size_t kFactor = 1;
  static constexpr std::size_t kSums = 16;
  static constexpr std::size_t kOut = 32;
  static constexpr std::size_t Floats(std::size_t value_vectors) {
    return kOut + 16 * value_vectors;
  }
};

// Keys or values that attention reads next. The kernel prefetches them while it works on the
// current ones, which have the same shape. This changes no result.
struct KvAhead {
  const std::byte* at = nullptr;  // null: nothing is prefetched
  std::size_t row_bytes = 0;      // of the keys of one dimension, or of one value
  std::size_t number_bytes = 0;   // of one number
};

struct VectorKernels {
  // out[i] = x[i] * (1 / sqrt(mean of squares + epsilon)) * weight[i], i in [0, n). Square i is
  // added to lane i mod 16, in ascending order. Then lane l + 8 is added to lane l, l + 4 to l, l +
  // 2 to l, and 1 to 0. out may be x.
  void (*rms_norm)(const float* x, const float* weight, std::size_t n, float epsilon, float* out);
  // out[i] = gate[i] / (1 + e^-gate[i]) * up[i]; out may be gate or up.
  void (*silu_times)(const float* gate, const float* up, std::size_t n, float* out);
  // out[i] = gate[i] / (1 + e^-2t) * up[i], t = sqrt(2 / pi) (gate[i] + 0.044715 gate[i]^3), which
  // is the tanh form of GELU; out may be gate or up.
  void (*gelu_times)(const float* gate, const float* up, std::size_t n, float* out);
  // x[i] = cap tanh(x[i] / cap), computed as cap (2 / (1 + e^(-2 x[i] / cap)) - 1).
  void (*soft_cap)(float cap, std::size_t n, float* x);
  // x[i] = x[i] * cosines[i] + x[i ^ 1] * sines[i]. n must be even. This turns the pair (x[2i],
  // x[2i + 1]) by an angle a if cosines[2i] = cosines[2i + 1] = cos a, sines[2i] = -sin a and
  // sines[2i + 1] = sin a.
  void (*turn_pairs)(const float* cosines, const float* sines, std::size_t n, float* x);
  // For h = n / 2 and i in [0, h): x[i] = x[i] * cosines[i] + x[i + h] * sines[i] and x[i + h] =
  // x[i + h] * cosines[i + h] + x[i] * sines[i + h]. n must be even. This turns the pair (x[i], x[i
  // + h]) by an angle a if cosines[i] = cosines[i + h] = cos a, sines[i] = -sin a and sines[i + h]
  // = sin a.
  void (*turn_halves)(const float* cosines, const float* sines, std::size_t n, float* x);
  // Returns the first i in [begin, n) for which x[i] <= bound is false. It is false for a NaN, too.
  // Returns n if there is no such i.
  std::size_t (*next_above)(const float* x, std::size_t begin, std::size_t n, float bound);
  // out[i] = ExpNonPositive((x[i] - highest) / temperature), of float_math.h.
  void (*weights)(const double* x, std::size_t n, double highest, double temperature, double* out);
  // Returns the largest of n numbers. n must be at least 1, and no number may be NaN.
  double (*largest)(const double* x, std::size_t n);
  // Convert to half precision and back. The bits are those of FloatToHalf and HalfToFloat of
  // float_math.h, also for NaN.
  void (*to_half)(const float* from, std::size_t n, std::uint16_t* to);
  void (*from_half)(const std::uint16_t* from, std::size_t n, float* to);

  // scores[q, p] = sum over d ascending of query[q, d] keys[d, p], p in [0, kKvBlockRows). query
  // [queries, key_length], keys [key_length, kKvBlockRows], scores [queries, scores_stride].
  void (*scores)(const float* query, std::size_t queries, std::size_t key_length, const float* keys,
                 const KvAhead& ahead, float* scores, std::size_t scores_stride);
  // The same for keys in half precision, with the bits that the converted keys give. Converts the
  // keys again for each tile of a few queries, and stores none of the converted numbers.
  void (*scores_half)(const float* query, std::size_t queries, std::size_t key_length,
                      const std::uint16_t* keys, const KvAhead& ahead, float* scores,
                      std::size_t scores_stride);
  // Adds positions [0, count) of a block to the states of `queries` queries, [queries,
  // state_stride]. count is in [1, kKvBlockRows]. Let m be the larger of the state's maximum and
  // the block's maximum, f = e^(the state's maximum - m) and w[p] = e^(scores[p] - m). The weights
  // w overwrite the scores. The terms are added from left to right:
  //   sums[l] = sums[l] f + w[l] + w[l + 16] + ...
  //   out[d]  = out[d] f + w[0] values[0][d] + ...
  // values[p] has 16 * value_vectors floats.
  void (*attend)(float* scores, std::size_t scores_stride, std::size_t queries,
                 const float* const* values, std::size_t count, std::size_t value_vectors,
                 const KvAhead& ahead, float* states, std::size_t state_stride);
  // The same for a whole block of values in half precision [kKvBlockRows, 16 * value_vectors],
  // which it converts as scores_half converts keys.
  void (*attend_half)(float* scores, std::size_t scores_stride, std::size_t queries,
                      const std::uint16_t* values, std::size_t value_vectors, const KvAhead& ahead,
                      float* states, std::size_t state_stride);
  // Merges state `from` into state `to`. The positions of `to` come before those of `from`.
  void (*merge)(const float* from, std::size_t value_vectors, float* to);
  // out[i] = the state's out[i] * (1 / sum). sum adds the lanes of the state's sums, in the order
  // of rms_norm.
  void (*finish)(const float* state, std::size_t value_length, float* out);
};

// The build for the best instruction set that `set` includes.
const VectorKernels& VectorKernelsFor(InstructionSet set);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_H_
