// IQ4_NL: blocks of 32 columns. A weight is d v[q], with a table v of 16 values.
//   file    float16 d, then 16 bytes of q. The low nibbles are columns 0 to 15, the high nibbles 16
//           to 31.
//   memory  A block is float16 d, then q as nibbles. 4.5 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_NL_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_NL_H_

#include "verifier/kernels/formats/iq4_values.h"
#include "verifier/kernels/formats/q4_0.h"

namespace recycling::verifier {

// As Q4_0, with other values.
struct IQ4_NL : Q4_0 {
  static constexpr TensorType kType = TensorType::kIQ4_NL;
  static constexpr int kOffset = 128;
  static constexpr int kLargest = 255;

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return Isa::Lookup(kIq4Values, Q4_0::Values<Isa, k>(block, v));
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_NL_H_
