// Q6_K: 256 columns in blocks of 16, d s (q - 32), with signed scales s of 8 bits. In the file: 128
// bytes of low four bits, 64 bytes of high two bits, int8 s[16], half d; two halves of 128 columns,
// each four runs of 32: runs 0 and 1 in the low halves of 64 bytes, runs 2 and 3 in the high ones;
// run i has its high bits at bit 2 i of 32 bytes. In memory: halves d in the header; in a block
// bytes s [2], nibbles, high two bits; 6.56 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q6_K_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q6_K_H_

#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct Q6_K {
  static constexpr TensorType kType = TensorType::kQ6_K;
  static constexpr std::size_t kScaleColumns = 16;
  static constexpr int kOffset = 32;
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
