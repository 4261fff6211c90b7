// Q2_K: blocks of 256 columns. A weight is d s q - e m, with a scale s and a minimum m of 4 bits
// for each 16 columns.
//   file    16 bytes with s in the low nibble and m in the high nibble; 64 bytes of q; float16 d;
//           float16 e. The columns are eight runs of 32. Run r is at bit 2 (r % 4) of bytes 32 (r /
//           4) to 32 (r / 4) + 31 of q.
//   memory  The header is float16 d and float16 e. A block is two s and two m as bytes, then q as
//           two-bit values. 3.13 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q2_K_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q2_K_H_

#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct Q2_K {
  static constexpr TensorType kType = TensorType::kQ2_K;
  static constexpr std::size_t kScaleColumns = 16;
  static constexpr int kOffset = 0;
  static constexpr int kLargest = 3;
  static constexpr bool kHasMinimum = true;
  static constexpr std::size_t kHeaderBytes = 2 * kHalves;
  static constexpr std::size_t kMinima = 2 * kPanelOutputs;
  static constexpr std::size_t kValues = 4 * kPanelOutputs;
  static constexpr std::size_t kBlockBytes = kValues + kTwoBitValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* chunk) {
    PutHalf(chunk, o, from + 80);
    PutHalf(chunk + kHalves, o, from + 82);
    for (std::size_t run = 0; run < 8; ++run) {
      std::byte* block = chunk + kHeaderBytes + run * kBlockBytes;
      for (std::size_t part = 0; part < 2; ++part) {
        const std::byte both = from[2 * run + part];
        block[part * kPanelOutputs + o] = both & std::byte{15};
        block[kMinima + part * kPanelOutputs + o] = both >> 4;
      }
      for (std::size_t c = 0; c < 32; ++c) {
        const auto four = std::to_integer<unsigned>(from[16 + 32 * (run / 4) + c]);
        PutTwoBits(block + kValues, o, c, four >> 2 * (run % 4) & 3U);
      }
    }
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return TwoBitRow<Isa, k>(block + kValues, v);
  }
  template <class Isa>
  static typename Isa::Float Scale(const std::byte* header, const std::byte* block, int part,
                                   int v) {
    return Isa::Mul(HalfRow<Isa>(header, v),
                    UnsignedRow<Isa>(block + static_cast<std::size_t>(part) * kPanelOutputs, v));
  }
  template <class Isa>
  static typename Isa::Float Minimum(const std::byte* header, const std::byte* block, int part,
                                     int v) {
    return Isa::Mul(
        HalfRow<Isa>(header + kHalves, v),
        UnsignedRow<Isa>(block + kMinima + static_cast<std::size_t>(part) * kPanelOutputs, v));
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q2_K_H_
