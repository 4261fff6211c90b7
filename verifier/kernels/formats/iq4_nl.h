// IQ4_NL: blocks of 32 columns. A weight is d v[q], with a table v of 16 values.
//   file    float16 d, then 16 bytes of q. The low nibbles are columns 0 to 15, the high nibbles 16
//           to 31.
//   memory  A block is float16 d, then q as nibbles. 4.5 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_NL_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_NL_H_

#include "verifier/kernels/formats/iq4_values.h"
#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct IQ4_NL {
  static constexpr TensorType kType = TensorType::kIQ4_NL;
  static constexpr std::size_t kScaleColumns = 32;
  static constexpr int kOffset = 128;
  static constexpr bool kHasMinimum = false;
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr std::size_t kValues = kHalves;
  static constexpr std::size_t kBlockBytes = kValues + kNibbleValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* block) {
    PutHalf(block, o, from);
    for (std::size_t c = 0; c < 32; ++c) {
      const auto pair = std::to_integer<unsigned>(from[2 + c % 16]);
      PutNibble(block + kValues, o, c, c < 16 ? pair & 15U : pair >> 4);
    }
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return Isa::Lookup(kIq4Values, NibbleRow<Isa, k>(block + kValues, v));
  }
  template <class Isa>
  static typename Isa::Float Scale(const std::byte*, const std::byte* block, int, int v) {
    return HalfRow<Isa>(block, v);
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_IQ4_NL_H_
