// Panels of packed weights of every type, and how rows of activations are prepared for them.
// packed_format.h describes integer weights and their arithmetic. Float weights are stored in
// blocks of 32 columns, [column][output]. Their sum starts at 0, and the columns are added in
// ascending order:
//   sum = fma(w, x, sum)
#ifndef RECYCLING_VERIFIER_KERNELS_PANEL_LAYOUT_H_
#define RECYCLING_VERIFIER_KERNELS_PANEL_LAYOUT_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "verifier/kernels/matmul_kernel.h"
#include "verifier/kernels/packed_format.h"

namespace recycling::verifier {

// Names the arithmetic of all kernels over panels.
inline constexpr char kPanelArithmetic[] = "int8 blocks of 32 in chunks of 256, fma, 1";

constexpr std::size_t Blocks(std::size_t columns) {
  return (columns + kBlockColumns - 1) / kBlockColumns;
}
constexpr std::size_t Chunks(std::size_t columns) {
  return (columns + kChunkColumns - 1) / kChunkColumns;
}
static_assert(kInputPartColumns % kChunkColumns == 0);

// The format of activations that weights of `type` need.
InputFormat PanelFormat(TensorType type);

PackedMatrix PanelLayout(const Matrix& w);
void PackPanel(const Matrix& w, std::size_t panel, std::byte* out);

// Writes a panel's sums [rows, kPanelOutputs] to its columns of out [rows, outputs], or adds them.
void StoreSums(const float* sums, std::size_t rows, std::size_t outputs, std::size_t panel,
               bool add, float* out);

// log2 of the offset of a packed format; 0 if it has none.
template <class W>
inline constexpr int kOffsetShift = W::kOffset == 0
                                        ? 0
                                        : std::countr_zero(static_cast<unsigned>(W::kOffset));

// How a chunk of a row is rounded. packed_format.h defines the letters.
struct ChunkScale {
  std::uint32_t largest_bits = 0;  // bits of M; 0 if M counts as 0
  float inverse = 0;               // 127 / M; 0 if M counts as 0 or is not finite
  float scale = 0;                 // s
};
inline float PowerOfTwo(int exponent) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23);
}

inline ChunkScale ScaleOf(std::uint32_t largest_magnitude_bits) {
  if (largest_magnitude_bits >= 0x7f800000U) {
    return {.largest_bits = 0, .inverse = 0, .scale = std::numeric_limits<float>::quiet_NaN()};
  }
  const auto largest = std::bit_cast<float>(largest_magnitude_bits);
  if (largest < 0x1p-100F) return {};
  return {.largest_bits = largest_magnitude_bits,
          .inverse = 127.0F / largest,
          .scale = largest / 127.0F * PowerOfTwo(-kLargestShift)};
}

// k_b of a block whose largest |x| has these bits. Each doubling of a normal number adds 1 << 23 to
// its bits, and the bits of positive floats are ordered as the floats are. A number that is not
// normal is so far below M that k_b is the largest.
inline int ShiftOf(std::uint32_t largest_magnitude_bits, const ChunkScale& chunk) {
  if (chunk.largest_bits == 0) return kLargestShift;
  return static_cast<int>(
      std::min<std::uint32_t>(kLargestShift, (chunk.largest_bits - largest_magnitude_bits) >> 23));
}

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_PANEL_LAYOUT_H_
