// Q6_K: blocks of 256 columns. A weight is d s (q - 32), with a signed scale s of 8 bits for each
// 16 columns.
//   file    128 bytes of low four bits of q, 64 bytes of high two bits, int8 s[16], float16 d. The
//           first half of the low and of the high bytes is columns 0 to 127, which are four runs of
//           32; the second half is the other 128 columns. In a half, runs 0 and 1 are the low
//           nibbles of the 64 low bytes, and runs 2 and 3 are their high nibbles. Run i has its
//           high bits at bit 2 i of the 32 high bytes.
//   memory  The header is float16 d. A block is two s as bytes, then the low four bits of q as
//           nibbles, then its high two bits. 6.56 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q6_K_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q6_K_H_

#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct Q6_K {
  static constexpr TensorType kType = TensorType::kQ6_K;
  static constexpr std::size_t kScaleColumns = 16;
  static constexpr int kOffset = 32;
  static constexpr int kLargest = 63;
  static constexpr bool kHasMinimum = false;
  static constexpr std::size_t kHeaderBytes = kHalves;
  static constexpr std::size_t kValues = 2 * kPanelOutputs;
  static constexpr std::size_t kHighBits = kValues + kNibbleValues;
  static constexpr std::size_t kBlockBytes = kHighBits + kTwoBitValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* chunk) {
    PutHalf(chunk, o, from + 208);
    for (std::size_t run = 0; run < 8; ++run) {
      std::byte* block = chunk + kHeaderBytes + run * kBlockBytes;
      block[o] = from[192 + 2 * run];
      block[kPanelOutputs + o] = from[192 + 2 * run + 1];
      const std::byte* low = from + 64 * (run / 4) + 32 * (run % 2);
      const std::byte* high = from + 128 + 32 * (run / 4);
      for (std::size_t c = 0; c < 32; ++c) {
        const auto four = std::to_integer<unsigned>(low[c]) >> 4 * (run / 2 % 2) & 15U;
        PutNibble(block + kValues, o, c, four);
        PutTwoBits(block + kHighBits, o, c,
                   std::to_integer<unsigned>(high[c]) >> 2 * (run % 4) & 3U);
      }
    }
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return Isa::Or(NibbleRow<Isa, k>(block + kValues, v),
                   Isa::template ShiftLeft<4>(TwoBitRow<Isa, k>(block + kHighBits, v)));
  }
  template <class Isa>
  static typename Isa::Float Scale(const std::byte* header, const std::byte* block, int part,
                                   int v) {
    return Isa::Mul(HalfRow<Isa>(header, v),
                    SignedRow<Isa>(block + static_cast<std::size_t>(part) * kPanelOutputs, v));
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q6_K_H_
