// Q5_K: blocks of 256 columns. A weight is d s q - e m, with a scale s and a minimum m of 6 bits
// for each 32 columns.
//   file    float16 d, float16 e, 12 bytes of s and m (six_bits.h), 32 bytes of high bits of q, 128
//           bytes of low bits. Bit b of high byte c belongs to column c of run b of 32 columns.
//           Each 32 bytes of low bits are 64 columns: the low nibbles are the first 32.
//   memory  The header is float16 d and float16 e. A block is s and m as bytes, then the low four
//           bits of q as nibbles, then its high bits. 5.63 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_K_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_K_H_

#include "verifier/kernels/formats/q4_k.h"

namespace recycling::verifier {

// As Q4_K, with one bit more for each value.
struct Q5_K : Q4_K {
  static constexpr TensorType kType = TensorType::kQ5_K;
  static constexpr int kLargest = 31;
  static constexpr std::size_t kHighBits = kValues + kNibbleValues;
  static constexpr std::size_t kBlockBytes = kHighBits + kOneBitValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* chunk) {
    PackChunk(from, from + 48, kBlockBytes, o, chunk);
    for (std::size_t b = 0; b < 8; ++b) {
      std::byte* bits = chunk + kHeaderBytes + b * kBlockBytes + kHighBits;
      for (std::size_t c = 0; c < 32; ++c) {
        PutBit(bits, o, c, std::to_integer<unsigned>(from[16 + c]) >> b & 1U);
      }
    }
  }

  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return Isa::Or(Q4_K::Values<Isa, k>(block, v), BitRow<Isa, k, 16>(block + kHighBits, v));
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q5_K_H_
