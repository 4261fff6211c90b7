#ifndef RECYCLING_VERIFIER_KERNELS_FORMATS_SIX_BITS_H_
#define RECYCLING_VERIFIER_KERNELS_FORMATS_SIX_BITS_H_

#include <cstddef>

namespace recycling::verifier {

struct ScaleAndMinimum {
  std::byte scale;
  std::byte minimum;
};

// Returns the scale and the minimum of block b, in [0, 8). Q4_K and Q5_K store eight of each, 6
// bits wide, in 12 bytes. For blocks 0 to 3 the scale is the low six bits of byte b and the minimum
// those of byte b + 4. For blocks 4 to 7 byte b + 4 has the low four bits of the scale in its low
// nibble and those of the minimum in its high nibble. The high two bits of byte b - 4 are those of
// the scale, and the high two bits of byte b are those of the minimum.
inline ScaleAndMinimum SixBits(const std::byte* bytes, std::size_t b) {
  constexpr std::byte kLow6{63};
  constexpr std::byte kLow4{15};
  if (b < 4) return {bytes[b] & kLow6, bytes[b + 4] & kLow6};
  return {(bytes[b + 4] & kLow4) | (bytes[b - 4] >> 6) << 4, bytes[b + 4] >> 4 | (bytes[b] >> 6)
                                                                                     << 4};
}

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FORMATS_SIX_BITS_H_
