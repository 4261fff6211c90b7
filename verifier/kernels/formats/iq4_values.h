#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_VALUES_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_VALUES_H_

#include <cstdint>

namespace recycling::verifier {

// The values that the 16 numbers q of IQ4_NL and IQ4_XS stand for.
alignas(16) inline constexpr std::int8_t kIq4Values[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_VALUES_H_
