// IQ4_XS: 256 columns, d (l - 32) v[q] with 8 scales l of 6 bits and the table v of IQ4_NL. In the
// file: half d, 16 high bits of l (two for each), 4 bytes of low bits of l, 128 bytes of q; each 16
// bytes are 32 columns, their low halves the first 16. In memory: halves d in the header; in a
// block bytes l - 32, nibbles q; 4.56 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_XS_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_XS_H_

#include "verifier/kernels/formats/iq4_values.h"
#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct IQ4_XS {
  static constexpr TensorType kType = TensorType::kIQ4_XS;
  static constexpr std::size_t kScaleColumns = 32;
  static constexpr int kOffset = 128;
  static constexpr bool kHasMinimum = false;
  static constexpr std::size_t kHeaderBytes = kHalves;
  static constexpr std::size_t kValues = 64;  // half of which the scales take
  static constexpr std::size_t kBlockBytes = kValues + kNibbleValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* chunk) {
    PutHalf(chunk, o, from);
    const unsigned high = LoadU16(from + 2);
    for (std::size_t b = 0; b < 8; ++b) {
      std::byte* block = chunk + kHeaderBytes + b * kBlockBytes;
      const unsigned low = std::to_integer<unsigned>(from[4 + b / 2]) >> 4 * (b % 2) & 15U;
      const unsigned scale = low | (high >> 2 * b & 3U) << 4;
      block[o] = static_cast<std::byte>(scale - 32);
      for (std::size_t c = 0; c < 32; ++c) {
        const auto pair = std::to_integer<unsigned>(from[8 + 16 * b + c % 16]);
        PutNibble(block + kValues, o, c, c < 16 ? pair & 15U : pair >> 4);
      }
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
