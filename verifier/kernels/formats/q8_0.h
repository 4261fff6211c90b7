// Q8_0: blocks of 32 columns. A weight is d q.
//   file    float16 d, then int8 q[32].
//   memory  A block is float16 d, then q as bytes. 8.5 bits a weight.
#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_Q8_0_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_Q8_0_H_

#include "verifier/kernels/packed_rows.h"

namespace recycling::verifier {

struct Q8_0 {
  static constexpr TensorType kType = TensorType::kQ8_0;
  static constexpr std::size_t kScaleColumns = 32;
  static constexpr int kOffset = 128;
  static constexpr int kLargest = 255;
  static constexpr bool kHasMinimum = false;
  static constexpr std::size_t kHeaderBytes = 0;
  static constexpr std::size_t kBlockBytes = kHalves + kByteValues;

  static void Pack(const std::byte* from, std::size_t o, std::byte* block) {
    PutHalf(block, o, from);
    for (std::size_t c = 0; c < 32; ++c) {
      PutByte(block + kHalves, o, c, std::to_integer<unsigned>(from[2 + c]));
    }
  }

  // The bytes in memory are signed, as in the file. Instructions for signed bytes use them
  // unchanged.
  template <class Isa, int k>
  static typename Isa::Bytes Values(const std::byte* block, int v) {
    return Isa::FromSignedBytes(ByteRow<Isa>(block + kHalves, k, v));
  }
  template <class Isa>
  static typename Isa::Float Scale(const std::byte*, const std::byte* block, int, int v) {
    return HalfRow<Isa>(block, v);
  }
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_Q8_0_H_
