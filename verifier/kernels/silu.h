#ifndef RECYCLING_VERIFIER_KERNELS_SILU_H_
#define RECYCLING_VERIFIER_KERNELS_SILU_H_

#include <cstddef>

namespace recycling::verifier {

// x[i] = x[i] / (1 + e^-x[i]) * factor[i], i in [0, size). x and factor must not overlap.
void SiluTimes(const float* factor, std::size_t size, float* x);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_SILU_H_
