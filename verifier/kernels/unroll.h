// Loops that the compiler always unrolls. A source for an instruction set includes this after its
// target pragma, so everything here is in an unnamed namespace.
#ifndef RECYCLING_VERIFIER_KERNELS_UNROLL_H_
#define RECYCLING_VERIFIER_KERNELS_UNROLL_H_

#include <utility>

namespace recycling::verifier {
namespace {

// Lambdas in the loops are inlined before anything else, so that sums stay in registers.
#define RECYCLING_INLINE __attribute__((always_inline))

// Calls f(i) for i in [0, N), as constants.
template <int N, typename F>
RECYCLING_INLINE inline void Unroll(F f) {
  [&]<int... I>(std::integer_sequence<int, I...>) RECYCLING_INLINE {
    (f(std::integral_constant<int, I>()), ...);
  }
  (std::make_integer_sequence<int, N>());
}

}  // namespace
}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_UNROLL_H_
