#include "verifier/kernels/silu.h"

#include "verifier/kernels/float_math.h"

namespace recycling::verifier {

void SiluTimes(const float* __restrict factor, std::size_t size, float* __restrict x) {
  for (std::size_t i = 0; i < size; ++i) x[i] = x[i] / (1.0F + Exp(-x[i])) * factor[i];
}

}  // namespace recycling::verifier
