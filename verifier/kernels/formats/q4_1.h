// Q4_1: blocks of 32 columns. A weight is d q + m.
//   file    float16 d, float16 m, then 16 bytes of q. The low nibbles are columns 0 to 15, the high
//           nibbles 16 to 31.
//   memory  A block is float16 d and float16 m, then q as nibbles. 5 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q4_1_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q4_1_H_

#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct Q4_1 {
  static constexpr TensorType kType = TensorType::kQ4_1;
  static constexpr std::size_t kScaleColumns = 32;
  static constexpr int kOffset = 0;
  static constexpr int kLargest = 15;
  static constexpr bool kHasMinimum = true;
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr std::size_t kValues = 2 * kHalves;
  static constexpr std::size_t kBlockBytes = kValues + kNibbleValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* block) {
    PutHalf(block, o, from);
    PutHalf(block + kHalves, o, from + 2);
    PutNibblesOf16(block + kValues, o, from + 4);
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return NibbleRow<Isa, k>(block + kValues, v);
  }
  template <class Isa>
  static typename Isa::Float Scale(const std::byte*, const std::byte* block, int, int v) {
    return HalfRow<Isa>(block, v);
  }
  // Negated, because the kernels subtract the minimum but the format adds m.
  template <class Isa>
  static typename Isa::Float Minimum(const std::byte*, const std::byte* block, int, int v) {
    return Isa::Negate(HalfRow<Isa>(block + kHalves, v));
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q4_1_H_
