// The packed form of weights for int8 tiles, and the arithmetic.
//
// A panel has 32 outputs. Its chunks of 512 columns are in ascending order; the last one is padded
// with zeros to a multiple of 64 columns. A chunk has scales f32 [32], then blocks of columns in
// ascending order. Every line of 64 bytes has 16 outputs x 4 neighbouring columns; outputs 0 to 15
// come before 16 to 31.
//
//   file            block  in memory, bytes                                        bits a weight
//   Q8_0            32     factors int16 [32]; int8 [2][8 lines]                   8.56
//   Q4_0            32     factors int16 [32]; nibbles [2][4 lines], the first of  4.56
//                          each two lines in the low four bits
//   Q6_K            16     factors int16 [32]; int8 [2][4 lines]                   9.06
//   F16, BF16, F32  64     int8 [2][high, low][16 lines]                           16.06
//
// A chunk's weights are multiples W of one number D for each output. Integers q with scale d are
// kept as p = q u, u = 1, 16, 4 for Q8_0, Q4_0, Q6_K, and a factor for each block, from which W is
// made when it is used:
//   E = max |d / u| of the chunk, F = round(d / u * (32512 / E)), D = E / 32512 * 128
//   W = floor(p F / 128 + 1/2)
// Floats: E = max |w|, W = round(w * (32512 / E)), D = E / 32512.
// Activations are rounded likewise, a chunk at a time: S = max |x| / 32512, A = round(x / S).
// |W| and |A| are at most 32512 = 256 * 127 and so split into high + low / 256, each of which is a
// signed byte: W = 256 W1 + W0 with W0 in [-128, 127], W1 in [-127, 127].
//   i   = sum over a chunk of 256 W1 A1 + W1 A0 + W0 A1, exact in 32 bits
//   sum = fma(float(i), 256 D * S, sum), chunks ascending, from 0.
// W0 A0 is left out. It is at most 2^14 of a product of up to 2^30 and has either sign. The error
// of rounding to W and A is larger.
#ifndef RECYCLING_VERIFIER_KERNELS_AMX_LAYOUT_H_
#define RECYCLING_VERIFIER_KERNELS_AMX_LAYOUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "verifier/kernels/matmul_kernel.h"
#include "verifier/kernels/panel_layout.h"  // kPanelOutputs

namespace recycling::verifier {

inline constexpr char kAmxArithmetic[] = "int16 chunks of 512 without low x low, fma, 1";

inline constexpr std::size_t kTileRows = 16;
inline constexpr std::size_t kTileColumns = 64;  // bytes of a tile's row
inline constexpr std::size_t kTileBytes = kTileRows * kTileColumns;
inline constexpr std::size_t kAmxChunkColumns = 512;
inline constexpr std::size_t kAmxChunkTiles = kAmxChunkColumns / kTileColumns;
inline constexpr std::size_t kAmxScaleBytes = kPanelOutputs * sizeof(float);
inline constexpr std::size_t kAmxFactorBytes = kPanelOutputs * sizeof(std::int16_t);
inline constexpr float kAmxLevels = 32512;

// Bytes of 64 columns of a panel as tiles, [half of the outputs][high, low], and of such a half.
inline constexpr std::size_t kAmxHalfBytes = 2 * kTileBytes;
inline constexpr std::size_t kAmxGroupBytes = 2 * kAmxHalfBytes;

// The largest sum that a chunk can have fits into 31 bits.
static_assert(kAmxChunkColumns * (127 * 127 * 256 + 2 * 127 * 128) < (std::size_t{1} << 31));

constexpr std::size_t AmxTiles(std::size_t columns) {
  return (columns + kTileColumns - 1) / kTileColumns;
}
constexpr std::size_t AmxChunks(std::size_t columns) {
  return (columns + kAmxChunkColumns - 1) / kAmxChunkColumns;
}

// Columns and bytes of a block.
constexpr std::size_t AmxBlockColumns(TensorType type) {
  return PanelFormat(type) == InputFormat::kFloat ? kTileColumns : BlockColumns(type);
}
constexpr std::size_t AmxBlockBytes(TensorType type) {
  if (PanelFormat(type) == InputFormat::kFloat) return kAmxGroupBytes;
  const std::size_t values = AmxBlockColumns(type) * kPanelOutputs;
  return kAmxFactorBytes + (type == TensorType::kQ4_0 ? values / 2 : values);
}

// Bytes of a chunk of `tiles` x 64 columns.
constexpr std::size_t AmxChunkBytes(TensorType type, std::size_t tiles) {
  return kAmxScaleBytes + tiles * kTileColumns / AmxBlockColumns(type) * AmxBlockBytes(type);
}

PackedMatrix AmxLayout(const Matrix& w);
void PackAmxPanel(const Matrix& w, std::size_t panel, std::byte* out);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_AMX_LAYOUT_H_
