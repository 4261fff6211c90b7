#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_SIX_BITS_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_SIX_BITS_H_

#include <cstddef>

namespace recycling::verifier {

struct ScaleAndMinimum {
  std::byte scale;
  std::byte minimum;
};

// The scale and the minimum of block b, in [0, 8), of the 12 bytes in which Q4_K and Q5_K keep
// eight of each, 6 bits wide. Blocks 0 to 3: the low six bits of byte b and of byte b + 4. Blocks 4
// to 7: the low and the high four bits of byte b + 4, below the high two bits of bytes b - 4 and b.
inline ScaleAndMinimum SixBits(const std::byte* bytes, std::size_t b) {
  constexpr std::byte kLow6{63};
  constexpr std::byte kLow4{15};
  if (b < 4) return {bytes[b] & kLow6, bytes[b + 4] & kLow6};
  return {(bytes[b + 4] & kLow4) | (bytes[b - 4] >> 6) << 4, bytes[b + 4] >> 4 | (bytes[b] >> 6)
                                                                                     << 4};
}

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_SIX_BITS_H_
