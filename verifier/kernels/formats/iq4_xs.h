// IQ4_XS: blocks of 256 columns. A weight is d (l - 32) v[q], with 8 scales l of 6 bits and the
// table v of IQ4_NL.
//   file    float16 d; 16 bits with the high two bits of each l; 4 bytes with the low four bits of
//           each l; 128 bytes of q. Each 16 bytes of q are 32 columns: the low nibbles are the
//           first 16.
//   memory  The header is float16 d. A block is l - 32 as bytes, then q as nibbles. 4.56 bits a
//           weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_XS_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_XS_H_

#include "verifier/kernels/formats/iq4_values.h"
#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct IQ4_XS {
  static constexpr TensorType kType = TensorType::kIQ4_XS;
  static constexpr std::size_t kScaleColumns = 32;
  static constexpr int kOffset = 128;
  static constexpr int kLargest = 255;
  static constexpr bool kHasMinimum = false;
  static constexpr std::size_t kHeaderBytes = kHalves;
  static constexpr std::size_t kValues = 64;  // 32 bytes of scales, padded to 64
  static constexpr std::size_t kBlockBytes = kValues + kNibbleValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* chunk) {
    PutHalf(chunk, o, from);
    const unsigned high = LoadU16(from + 2);
    for (std::size_t b = 0; b < 8; ++b) {
      std::byte* block = chunk + kHeaderBytes + b * kBlockBytes;
      const unsigned low = std::to_integer<unsigned>(from[4 + b / 2]) >> 4 * (b % 2) & 15U;
      const unsigned scale = low | (high >> 2 * b & 3U) << 4;
      block[o] = static_cast<std::byte>(scale - 32);
      PutNibblesOf16(block + kValues, o, from + 8 + 16 * b);
    }
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return Isa::Lookup(kIq4Values, NibbleRow<Isa, k>(block + kValues, v));
  }
  template <class Isa>
  static typename Isa::Float Scale(const std::byte* header, const std::byte* block, int, int v) {
    return Isa::Mul(HalfRow<Isa>(header, v), SignedRow<Isa>(block, v));
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_XS_H_
