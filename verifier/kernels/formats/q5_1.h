// Q5_1: blocks of 32 columns. A weight is d q + m.
//   file    float16 d, float16 m, 32 high bits of q, then 16 bytes of low bits. The low nibbles are
//           columns 0 to 15, the high nibbles 16 to 31.
//   memory  A block is float16 d and float16 m, then the low four bits of q as nibbles, then its
//           high bits. 6 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_1_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_1_H_

#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct Q5_1 {
  static constexpr TensorType kType = TensorType::kQ5_1;
  static constexpr std::size_t kScaleColumns = 32;
  static constexpr int kOffset = 0;
  static constexpr bool kHasMinimum = true;
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr std::size_t kValues = 2 * kHalves;
  static constexpr std::size_t kHighBits = kValues + kNibbleValues;
  static constexpr std::size_t kBlockBytes = kHighBits + kOneBitValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* block) {
    PutHalf(block, o, from);
    PutHalf(block + kHalves, o, from + 2);
    for (std::size_t c = 0; c < 32; ++c) {
      const auto pair = std::to_integer<unsigned>(from[8 + c % 16]);
      PutNibble(block + kValues, o, c, c < 16 ? pair & 15U : pair >> 4);
      const auto high = std::to_integer<unsigned>(from[4 + c / 8]) >> c % 8;
      PutBit(block + kHighBits, o, c, high & 1U);
    }
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return Isa::Or(NibbleRow<Isa, k>(block + kValues, v), BitRow<Isa, k, 16>(block + kHighBits, v));
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

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_1_H_
