// Q3_K: 256 columns in blocks of 16, d (s - 32) (q - 4), with scales s of 6 bits. In the file: 32
// bytes of high bits (bit r of byte c is column c of run r), 64 bytes of low two bits, 12 bytes of
// s, half d; eight runs of 32 columns: run r has its low bits at bit 2 (r % 4) of bytes 32 (r / 4)
// to 32 (r / 4) + 31. Of the 12 bytes, byte i < 8 has the low four bits of scales i (low half) and
// i + 8 (high half); byte 8 + i has the high two bits of scales i, i + 4, i + 8, i + 12, from the
// lowest. In memory: halves d in the header; in a block bytes s - 32 [2], low two bits, high bits;
// 3.56 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q3_K_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q3_K_H_

#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct Q3_K {
  static constexpr TensorType kType = TensorType::kQ3_K;
  static constexpr std::size_t kScaleColumns = 16;
  static constexpr int kOffset = 4;
  static constexpr bool kHasMinimum = false;
  static constexpr std::size_t kHeaderBytes = kHalves;
  static constexpr std::size_t kValues = 2 * kPanelOutputs;
  static constexpr std::size_t kHighBits = kValues + kTwoBitValues;
  static constexpr std::size_t kBlockBytes = kHighBits + kOneBitValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* chunk) {
    PutHalf(chunk, o, from + 108);
    for (std::size_t run = 0; run < 8; ++run) {
      std::byte* block = chunk + kHeaderBytes + run * kBlockBytes;
      for (std::size_t part = 0; part < 2; ++part) {
        const std::size_t i = 2 * run + part;
        const unsigned low = std::to_integer<unsigned>(from[96 + i % 8]) >> 4 * (i / 8) & 15U;
        const unsigned high = std::to_integer<unsigned>(from[104 + i % 4]) >> 2 * (i / 4) & 3U;
        block[part * kPanelOutputs + o] = static_cast<std::byte>((low | high << 4) - 32);
      }
      for (std::size_t c = 0; c < 32; ++c) {
        const auto four = std::to_integer<unsigned>(from[32 + 32 * (run / 4) + c]);
        PutTwoBits(block + kValues, o, c, four >> 2 * (run % 4) & 3U);
        PutBit(block + kHighBits, o, c, std::to_integer<unsigned>(from[c]) >> run & 1U);
      }
    }
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return Isa::Or(TwoBitRow<Isa, k>(block + kValues, v), BitRow<Isa, k, 4>(block + kHighBits, v));
  }
  template <class Isa>
  static typename Isa::Float Scale(const std::byte* header, const std::byte* block, int part,
                                   int v) {
    return Isa::Mul(HalfRow<Isa>(header, v),
                    SignedRow<Isa>(block + static_cast<std::size_t>(part) * kPanelOutputs, v));
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q3_K_H_
