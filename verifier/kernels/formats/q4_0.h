// Q4_0: blocks of 32 columns. A weight is d (q - 8).
//   file    float16 d, then 16 bytes of q. The low nibbles are columns 0 to 15, the high nibbles 16
//           to 31.
//   memory  A block is float16 d, then q as nibbles. 4.5 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q4_0_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q4_0_H_

#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct Q4_0 {
  static constexpr TensorType kType = TensorType::kQ4_0;
  static constexpr std::size_t kScaleColumns = 32;
  static constexpr int kOffset = 8;
  static constexpr int kLargest = 15;
  static constexpr bool kHasMinimum = false;
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr std::size_t kValues = kHalves;
  static constexpr std::size_t kBlockBytes = kValues + kNibbleValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* block) {
    PutHalf(block, o, from);
    PutNibblesOf16(block + kValues, o, from + 2);
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return NibbleRow<Isa, k>(block + kValues, v);
  }
  template <class Isa>
  static typename Isa::Float Scale(const std::byte*, const std::byte* block, int, int v) {
    return HalfRow<Isa>(block, v);
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q4_0_H_
