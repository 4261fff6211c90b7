#include "verifier/kernels/panel_layout.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "verifier/kernels/dequantize.h"

namespace recycling::verifier {
namespace {

using std::size_t;

template <typename T>
void Put(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof(value));
}

// The index of the value of output o at column c of the block.
constexpr size_t PairPlace(size_t c, size_t o) { return (c / 2 * kPanelOutputs + o) * 2 + c % 2; }

// Each function packs one block of one output. The memory is zero before.
void PackQ8_0(const std::byte* from, size_t o, std::byte* out) {
  std::memcpy(out + 2 * o, from, 2);
  for (size_t c = 0; c < 32; ++c) out[64 + PairPlace(c, o)] = from[2 + c];
}

void PackQ4_0(const std::byte* from, size_t o, std::byte* out) {
  std::memcpy(out + 2 * o, from, 2);
  for (size_t c = 0; c < 32; ++c) {
    const std::byte nibble = c < 16 ? from[2 + c] & std::byte{15} : from[2 + c - 16] >> 4;
    const size_t pair = c / 2;
    std::byte& place = out[64 + PairPlace(pair / 2 * 2 + c % 2, o)];
    place |= pair % 2 == 0 ? nibble : nibble << 4;
  }
}

// Packs a whole block of the file, 256 columns.
void PackQ6_K(const std::byte* from, size_t o, std::byte* out) {
  std::int8_t values[256];
  float scales[16];
  UnpackQ6_K(from, values, scales);
  for (size_t block = 0; block < 16; ++block, out += BlockBytes(TensorType::kQ6_K)) {
    Put(out + 4 * o, scales[block]);
    for (size_t c = 0; c < 16; ++c) {
      out[128 + PairPlace(c, o)] = static_cast<std::byte>(values[16 * block + c]);
    }
  }
}

}  // namespace

PackedMatrix PanelLayout(const Matrix& w) {
  return {.type = w.type,
          .rows = w.rows,
          .columns = w.columns,
          .panel_outputs = kPanelOutputs,
          .panel_bytes = Blocks(w.type, w.columns) * BlockBytes(w.type)};
}

void PackPanel(const Matrix& w, size_t panel, std::byte* out) {
  const size_t first = panel * kPanelOutputs;
  const size_t outputs = std::min(kPanelOutputs, w.rows - first);
  const size_t block_bytes = BlockBytes(w.type);
  std::memset(out, 0, Blocks(w.type, w.columns) * block_bytes);
  for (size_t o = 0; o < outputs; ++o) {
    const std::byte* from = w.Row(first + o);
    switch (w.type) {
      case TensorType::kQ8_0:
        for (size_t b = 0; b < w.columns / 32; ++b)
          PackQ8_0(from + 34 * b, o, out + block_bytes * b);
        break;
      case TensorType::kQ4_0:
        for (size_t b = 0; b < w.columns / 32; ++b)
          PackQ4_0(from + 18 * b, o, out + block_bytes * b);
        break;
      case TensorType::kQ6_K:
        for (size_t b = 0; b < w.columns / 256; ++b) {
          PackQ6_K(from + 210 * b, o, out + 16 * block_bytes * b);
        }
        break;
      case TensorType::kF16:
      case TensorType::kBF16:
        for (size_t c = 0; c < w.columns; ++c) {
          std::memcpy(out + (c * kPanelOutputs + o) * 2, from + 2 * c, 2);
        }
        break;
      case TensorType::kF32:
        for (size_t c = 0; c < w.columns; ++c) {
          std::memcpy(out + (c * kPanelOutputs + o) * 4, from + 4 * c, 4);
        }
        break;
    }
  }
}

void StoreSums(const float* sums, size_t rows, size_t outputs, size_t panel, bool add, float* out) {
  const size_t first = panel * kPanelOutputs;
  const size_t count = std::min(kPanelOutputs, outputs - first);
  for (size_t r = 0; r < rows; ++r, sums += kPanelOutputs) {
    float* to = out + r * outputs + first;
    if (add) {
      for (size_t o = 0; o < count; ++o) to[o] += sums[o];
    } else {
      std::memcpy(to, sums, count * sizeof(float));
    }
  }
}

InputScale ScaleOf(std::uint32_t largest_magnitude_bits, float levels) {
  if (largest_magnitude_bits >= 0x7f800000U) {
    return {std::numeric_limits<float>::quiet_NaN(), 0.0F};
  }
  const auto largest = std::bit_cast<float>(largest_magnitude_bits);
  if (largest < 0x1p-100F) return {0.0F, 0.0F};
  return {largest / levels, levels / largest};
}

}  // namespace recycling::verifier
