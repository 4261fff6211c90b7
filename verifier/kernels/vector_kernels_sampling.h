// Scans over a vocabulary. Only the sources of vector_kernels may include this file; see lanes.h.
#ifndef RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_SAMPLING_H_
#define RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_SAMPLING_H_

#include "verifier/kernels/float_math.h"
#include "verifier/kernels/lanes.h"

namespace recycling::verifier {
namespace {

std::size_t NextAbove(const float* x, std::size_t begin, std::size_t n, float bound) {
  const Lanes bounds = Lanes::Splat(bound);
  std::size_t i = begin;
  const auto above = [&](std::size_t at) { return Lanes::Load(x + at).NotAtMost(bounds); };
  for (; i + kLanes <= n; i += kLanes) {
    const std::uint32_t found = above(i);
    if (found != 0) return i + static_cast<std::size_t>(__builtin_ctz(found));
  }
  for (; i < n; ++i) {
    if (!(x[i] <= bound)) return i;
  }
  return n;
}

void Weights(const double* x, std::size_t n, double highest, double temperature, double* out) {
  for (std::size_t i = 0; i < n; ++i) out[i] = ExpNonPositive((x[i] - highest) / temperature);
}

double LargestOf(const double* x, std::size_t n) {
  double lanes[kLanes];
  for (double& lane : lanes) lane = x[0];
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
  }
  for (; i < n; ++i) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
  double largest = lanes[0];
  for (const double lane : lanes) largest = lane > largest ? lane : largest;
  return largest;
}

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_VECTOR_KERNELS_SAMPLING_H_
