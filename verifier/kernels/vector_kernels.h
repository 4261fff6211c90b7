// The inner loops beside the matrix products. There is one build for each instruction set; the
// program chooses one at run time.
//
// Every function gives the same bits in every build.
#ifndef RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_H_
#define RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/cpu.h"

namespace recycling::verifier {

// Positions in a block, which attention processes together. Part of the arithmetic.
constexpr std::size_t kKvBlockRows = 64;

// The state of one query after some blocks of positions, as offsets in an array of floats: the
// largest score, the factor by which the last block has scaled down everything before it, the sums
// of weights for each lane, and the weighted sum of values, padded to a multiple of 16.
struct AttentionState {
  static constexpr std::size_t kMaximum = 0;
  static constexpr std::size_t kFactor = 1;
  static constexpr std::size_t kSums = 16;
  static constexpr std::size_t kOut = 32;
  static constexpr std::size_t Floats(std::size_t value_vectors) {
    return kOut + 16 * value_vectors;
  }
};

struct VectorKernels {
  // out[i] = x[i] * (1 / sqrt(mean of squares + epsilon)) * weight[i], i in [0, n). Square i is
  // added to lane i mod 16, ascending; then lanes l and l + 8, l and l + 4, l and l + 2, 0 and 1.
  // out may be x.
  void (*rms_norm)(const float* x, const float* weight, std::size_t n, float epsilon, float* out);
  // out[i] = gate[i] / (1 + e^-gate[i]) * up[i]; out may be gate or up.
  void (*silu_times)(const float* gate, const float* up, std::size_t n, float* out);
  // out[i] = gate[i] / (1 + e^-2t) * up[i], t = sqrt(2 / pi) (gate[i] + 0.044715 gate[i]^3), which
  // is the tanh form of GELU; out may be gate or up.
  void (*gelu_times)(const float* gate, const float* up, std::size_t n, float* out);
  // x[i] = x[i] * cosines[i] + x[i ^ 1] * sines[i], n even. Turns the pair (x[2i], x[2i + 1]) by an
  // angle a if cosines[2i] = cosines[2i + 1] = cos a, sines[2i] = -sin a and sines[2i + 1] = sin a.
  void (*turn_pairs)(const float* cosines, const float* sines, std::size_t n, float* x);
  // With h = n / 2 and i in [0, h): x[i] = x[i] * cosines[i] + x[i + h] * sines[i] and
  // x[i + h] = x[i + h] * cosines[i + h] + x[i] * sines[i + h], n even. Turns the pair (x[i],
  // x[i + h]) by an angle a if cosines[i] = cosines[i + h] = cos a, sines[i] = -sin a and
  // sines[i + h] = sin a.
  void (*turn_halves)(const float* cosines, const float* sines, std::size_t n, float* x);
  // The first i in [begin, n) at which x[i] <= bound does not hold, NaN included; n if there is
  // none.
  std::size_t (*next_above)(const float* x, std::size_t begin, std::size_t n, float bound);
  // out[i] = ExpNonPositive((x[i] - highest) / temperature), of float_math.h.
  void (*weights)(const double* x, std::size_t n, double highest, double temperature, double* out);
  // The largest of x, n at least 1, none of them NaN.
  double (*largest)(const double* x, std::size_t n);
  // To half precision and back, as FloatToHalf and HalfToFloat of float_math.h, also for NaN.
  void (*to_half)(const float* from, std::size_t n, std::uint16_t* to);
  void (*from_half)(const std::uint16_t* from, std::size_t n, float* to);

  // scores[q, p] = sum over d ascending of query[q, d] keys[d, p], p in [0, kKvBlockRows). query
  // [queries, key_length], keys [key_length, kKvBlockRows], scores [queries, scores_stride].
  void (*scores)(const float* query, std::size_t queries, std::size_t key_length, const float* keys,
                 float* scores, std::size_t scores_stride);
  // Adds positions [0, count) of a block, count in [1, kKvBlockRows], to the states of `queries`
  // queries, [queries, state_stride]. With m the larger of the state's maximum and the block's,
  // f = e^(maximum - m) and w[p] = e^(scores[p] - m), which overwrites the scores:
  //   sums[l] = sums[l] f + w[l] + w[l + 16] + ...      one after the other
  //   out[d]  = out[d] f + w[0] values[0][d] + ...      one after the other
  // values[p] has 16 value_vectors floats.
  void (*attend)(float* scores, std::size_t scores_stride, std::size_t queries,
                 const float* const* values, std::size_t count, std::size_t value_vectors,
                 float* states, std::size_t state_stride);
  // Adds state `from` to state `to`, whose positions come first.
  void (*merge)(const float* from, std::size_t value_vectors, float* to);
  // out[i] = the state's out[i] * (1 / sum), where the sum adds lanes as rms_norm does.
  void (*finish)(const float* state, std::size_t value_length, float* out);
};

// The highest build that `set` includes.
const VectorKernels& VectorKernelsFor(InstructionSet set);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_H_
