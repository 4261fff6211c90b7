// The packed form of weights that the AVX kernels share, and their arithmetic.
//
// A panel has 32 outputs. Its blocks of columns are in ascending order, each aligned to 64 bytes.
// In a block the values of two neighbouring columns stand together: [column pair][output][2].
//
//   file          block  in memory, bytes                                          bits a weight
//   Q8_0          32     scales f16 [32]; int8 [16][32][2]                         8.5
//   Q4_0          32     scales f16 [32]; nibbles [8][32][2], the even pair of     4.5
//                        each two in the low four bits, as value + 8
//   Q6_K          16     scales f32 [32]; int8 [8][32][2]                          10
//   F16, BF16     32     16 bits [32 columns][32]                                  16
//   F32           32     32 bits [32 columns][32]                                  32
//
// Integer weights q with scale d are multiplied with activations that are rounded to 16 bits in
// blocks of 32 columns. With i the exact integer sum of q a over a block:
//   s = max |x| / 32767, a = round(x / s)
//   sum = fma(float(i), d * s, sum), blocks ascending, from 0.
// Float weights: sum = fma(w, x, sum), columns ascending, from 0.
// No other rounding takes place, so every instruction set gives the same bits.
#ifndef RECYCLING_VERIFIER_KERNELS_PANEL_LAYOUT_H_
#define RECYCLING_VERIFIER_KERNELS_PANEL_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "verifier/kernels/matmul_kernel.h"

namespace recycling::verifier {

inline constexpr std::size_t kPanelOutputs = 32;
inline constexpr std::size_t kInputBlock = 32;  // columns that share an activation scale

inline constexpr char kPanelArithmetic[] = "int16 blocks of 32, fma, 1";

// Columns of a block of weights.
constexpr std::size_t BlockColumns(TensorType type) { return type == TensorType::kQ6_K ? 16 : 32; }

// Bytes of a block of 32 outputs.
constexpr std::size_t BlockBytes(TensorType type) {
  switch (type) {
    case TensorType::kQ8_0:
      return 64 + 1024;
    case TensorType::kQ4_0:
      return 64 + 512;
    case TensorType::kQ6_K:
      return 128 + 512;
    case TensorType::kF16:
    case TensorType::kBF16:
      return 2048;
    case TensorType::kF32:
      return 4096;
  }
  return 0;
}

constexpr InputFormat PanelFormat(TensorType type) {
  const bool integer =
      type == TensorType::kQ8_0 || type == TensorType::kQ4_0 || type == TensorType::kQ6_K;
  return integer ? InputFormat::kInteger : InputFormat::kFloat;
}

// The number of blocks in `columns` columns; the last one is padded with zeros.
constexpr std::size_t Blocks(TensorType type, std::size_t columns) {
  return (columns + BlockColumns(type) - 1) / BlockColumns(type);
}

PackedMatrix PanelLayout(const Matrix& w);
void PackPanel(const Matrix& w, std::size_t panel, std::byte* out);

// Writes, or with `add` adds, a panel's sums [rows, kPanelOutputs] to its columns of out [rows,
// outputs].
void StoreSums(const float* sums, std::size_t rows, std::size_t outputs, std::size_t panel,
               bool add, float* out);

inline constexpr float kInputLevels = 32767;

// The scale that maps a block's largest magnitude to `levels`, and its inverse. Both are zero if
// all magnitudes are below 2^-100. If one is not finite, the scale is NaN and the inverse is zero.
struct InputScale {
  float scale;
  float inverse;
};
InputScale ScaleOf(std::uint32_t largest_magnitude_bits, float levels = kInputLevels);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_PANEL_LAYOUT_H_
