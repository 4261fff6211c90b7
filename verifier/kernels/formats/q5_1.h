// Q5_1: blocks of 32 columns. A weight is d q + m.
//   file    float16 d, float16 m, 32 high bits of q, then 16 bytes of low bits. The low nibbles are
//           columns 0 to 15, the high nibbles 16 to 31.
//   memory  A block is float16 d and float16 m, then the low four bits of q as nibbles, then its
//           high bits. 6 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_1_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_1_H_

#include "verifier/kernels/formats/q4_1.h"

namespace recycling::verifier {

// Scales and minima lie as in Q4_1.
struct Q5_1 : Q4_1 {
  static constexpr TensorType kType = TensorType::kQ5_1;
  static constexpr int kLargest = 31;
  static constexpr std::size_t kHighBits = kValues + kNibbleValues;
  static constexpr std::size_t kBlockBytes = kHighBits + kOneBitValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* block) {
    PutHalf(block, o, from);
    PutHalf(block + kHalves, o, from + 2);
    PutNibblesOf16(block + kValues, o, from + 8);
    PutBitsOf4(block + kHighBits, o, from + 4);
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return Isa::Or(Q4_1::Values<Isa, k>(block, v), BitRow<Isa, k, 16>(block + kHighBits, v));
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_1_H_
