// Q4_K: blocks of 256 columns. A weight is d s q - e m, with a scale s and a minimum m of 6 bits
// for each 32 columns.
//   file    float16 d, float16 e, 12 bytes of s and m (six_bits.h), 128 bytes of q. Each 32 bytes
//           of q are 64 columns: the low nibbles are the first 32.
//   memory  The header is float16 d and float16 e. A block is s and m as bytes, then q as nibbles.
//           4.63 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q4_K_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q4_K_H_

#include "verifier/kernels/formats/six_bits.h"
#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct Q4_K {
  static constexpr TensorType kType = TensorType::kQ4_K;
  static constexpr std::size_t kScaleColumns = 32;
  static constexpr int kOffset = 0;
  static constexpr int kLargest = 15;
  static constexpr bool kHasMinimum = true;
  static constexpr std::size_t kHeaderBytes = 2 * kHalves;
  static constexpr std::size_t kValues = 2 * kPanelOutputs;
  static constexpr std::size_t kBlockBytes = kValues + kNibbleValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* chunk) {
    PackChunk(from, from + 16, kBlockBytes, o, chunk);
  }
  // `nibbles` are 128 bytes of the file; in memory a block has `block_bytes`.
  static void PackChunk(const std::byte* from, const std::byte* nibbles, std::size_t block_bytes,
                        std::size_t o, std::byte* chunk) {
    PutHalf(chunk, o, from);
    PutHalf(chunk + kHalves, o, from + 2);
    for (std::size_t b = 0; b < 8; ++b) {
      std::byte* block = chunk + kHeaderBytes + b * block_bytes;
      const ScaleAndMinimum pair = SixBits(from + 4, b);
      block[o] = pair.scale;
      block[kPanelOutputs + o] = pair.minimum;
      for (std::size_t c = 0; c < 32; ++c) {
        const auto two = std::to_integer<unsigned>(nibbles[32 * (b / 2) + c]);
        PutNibble(block + kValues, o, c, b % 2 == 0 ? two & 15U : two >> 4);
      }
    }
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return NibbleRow<Isa, k>(block + kValues, v);
  }
  template <class Isa>
  static typename Isa::Float Scale(const std::byte* header, const std::byte* block, int, int v) {
    return Isa::Mul(HalfRow<Isa>(header, v), UnsignedRow<Isa>(block, v));
  }
  template <class Isa>
  static typename Isa::Float Minimum(const std::byte* header, const std::byte* block, int, int v) {
    return Isa::Mul(HalfRow<Isa>(header + kHalves, v), UnsignedRow<Isa>(block + kPanelOutputs, v));
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q4_K_H_
