// Inner loops around the projections, one build for each instruction set, chosen at run time.
//
// Every function gives the same bits in every build.
#ifndef RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_H_
#define RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/cpu.h"

namespace recycling::verifier {

struct VectorKernels {
  // out[i] = x[i] * (1 / sqrt(mean of squares + epsilon)) * weight[i], i in [0, n). Square i is
  // added to lane i mod 16, ascending; then lanes l and l + 8, l and l + 4, l and l + 2, 0 and 1.
  void (*rms_norm)(const float* x, const float* weight, std::size_t n, float epsilon, float* out);
  // out[i] = gate[i] / (1 + e^-gate[i]) * up[i]; out may be gate or up.
  void (*silu_times)(const float* gate, const float* up, std::size_t n, float* out);
  // x[i] += added[i].
  void (*add)(const float* added, std::size_t n, float* x);
  // x[i] = x[i] * cosines[i] + x[i ^ 1] * sines[i], n even: turns the pair (x[2i], x[2i + 1]) by
  // the angle whose cosine stands twice in cosines and whose sine stands negated, then as it is, in
  // sines.
  void (*turn_pairs)(const float* cosines, const float* sines, std::size_t n, float* x);
  // Half precision and back: FloatToHalf and HalfToFloat of float_math.h, NaNs too.
  void (*to_half)(const float* from, std::size_t n, std::uint16_t* to);
  void (*from_half)(const std::uint16_t* from, std::size_t n, float* to);
};

// Of the highest build that `set` includes.
const VectorKernels& VectorKernelsFor(InstructionSet set);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_H_
