// Q5_0: blocks of 32 columns. A weight is d (q - 16).
//   file    float16 d, 32 high bits of q, then 16 bytes of low bits. The low nibbles are columns 0
//           to 15, the high nibbles 16 to 31.
//   memory  A block is float16 d, then the low four bits of q as nibbles, then its high bits. 5.5
//           bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_0_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_0_H_

#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct Q5_0 {
  static constexpr TensorType kType = TensorType::kQ5_0;
  static constexpr std::size_t kScaleColumns = 32;
  static constexpr int kOffset = 16;
  static constexpr int kLargest = 31;
  static constexpr bool kHasMinimum = false;
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr std::size_t kValues = kHalves;
  static constexpr std::size_t kHighBits = kValues + kNibbleValues;
  static constexpr std::size_t kBlockBytes = kHighBits + kOneBitValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* block) {
    PutHalf(block, o, from);
    PutNibblesOf16(block + kValues, o, from + 6);
    PutBitsOf4(block + kHighBits, o, from + 2);
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return Isa::Or(NibbleRow<Isa, k>(block + kValues, v), BitRow<Isa, k, 16>(block + kHighBits, v));
  }
  template <class Isa>
  static typename Isa::Float Scale(const std::byte*, const std::byte* block, int, int v) {
    return HalfRow<Isa>(block, v);
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_0_H_
