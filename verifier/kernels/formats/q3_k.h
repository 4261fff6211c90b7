// Q3_K: blocks of 256 columns. A weight is d (s - 32) (q - 4), with a scale s of 6 bits for each 16
// columns.
//   file    32 bytes of high bits of q; 64 bytes of low two bits of q; 12 bytes of s; float16 d.
//           The columns are eight runs of 32. The high bit of column c of run r is bit r of byte c.
//           The low bits of run r are at bit 2 (r % 4) of bytes 32 (r / 4) to 32 (r / 4) + 31. Byte
//           i < 8 of s has the low four bits of scale i (low nibble) and of scale i + 8 (high
//           nibble). Byte 8 + i has the high two bits of scales i, i + 4, i + 8 and i + 12, from
//           the lowest bits up.
//   memory  The header is float16 d. A block is two s - 32 as bytes, then the low two bits of q,
//           then its high bits. 3.56 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q3_K_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q3_K_H_

#include "verifier/kernels/formats/q6_k.h"

namespace recycling::verifier {

// Scales lie as in Q6_K.
struct Q3_K : Q6_K {
  static constexpr TensorType kType = TensorType::kQ3_K;
  static constexpr int kOffset = 4;
  static constexpr int kLargest = 7;
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
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q3_K_H_
