// The functions of one build as a table. Only the sources of vector_kernels may include this file;
// see lanes.h.
#ifndef RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_BUILD_H_
#define RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_BUILD_H_

#include "verifier/kernels/vector_kernels.h"
#include "verifier/kernels/vector_kernels_attention.h"
#include "verifier/kernels/vector_kernels_elementwise.h"
#include "verifier/kernels/vector_kernels_sampling.h"

namespace recycling::verifier {

extern const VectorKernels kPortableVectorKernels;
extern const VectorKernels kAvx2VectorKernels;
extern const VectorKernels kAvx512VectorKernels;

namespace {

constexpr VectorKernels kThisBuild = {.rms_norm = RmsNorm,
                                      .silu_times = GateTimes<Silu>,
                                      .gelu_times = GateTimes<GeluTanh>,
                                      .soft_cap = SoftCap,
                                      .turn_pairs = TurnPairs,
                                      .turn_halves = TurnHalves,
                                      .next_above = NextAbove,
                                      .weights = Weights,
                                      .largest = LargestOf,
                                      .to_half = ToHalf,
                                      .from_half = FromHalf,
                                      .scores = Scores<float>,
                                      .scores_half = Scores<std::uint16_t>,
                                      .attend = Attend,
                                      .attend_half = AttendHalf,
                                      .merge = Merge,
                                      .finish = Finish};

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_BUILD_H_
