#include "verifier/kernels/dequantize.h"

#include <cstdint>
#include <cstring>

#include "verifier/kernels/float_math.h"

namespace recycling::verifier {
namespace {

std::uint16_t Load16(const std::byte* at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

int Unsigned(std::byte b) { return std::to_integer<int>(b); }
int Signed(std::byte b) { return static_cast<std::int8_t>(std::to_integer<unsigned char>(b)); }

void DequantizeF16(const std::byte* row, std::size_t columns, float* __restrict out) {
  for (std::size_t c = 0; c < columns; ++c) out[c] = HalfToFloat(Load16(row + 2 * c));
}

void DequantizeBF16(const std::byte* row, std::size_t columns, float* __restrict out) {
  for (std::size_t c = 0; c < columns; ++c) out[c] = Bfloat16ToFloat(Load16(row + 2 * c));
}

void DequantizeQ8_0(const std::byte* row, std::size_t columns, float* __restrict out) {
  for (std::size_t block = 0; block < columns / 32; ++block, row += 34, out += 32) {
    const float d = HalfToFloat(Load16(row));
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(Signed(row[2 + i]));
  }
}

void DequantizeQ4_0(const std::byte* row, std::size_t columns, float* __restrict out) {
  for (std::size_t block = 0; block < columns / 32; ++block, row += 18, out += 32) {
    const float d = HalfToFloat(Load16(row));
    for (int i = 0; i < 16; ++i) {
      const int pair = Unsigned(row[2 + i]);
      out[i] = d * static_cast<float>((pair & 15) - 8);
      out[i + 16] = d * static_cast<float>((pair >> 4) - 8);
    }
  }
}

void DequantizeQ6_K(const std::byte* row, std::size_t columns, float* __restrict out) {
  for (std::size_t block = 0; block < columns / 256; ++block, row += 210, out += 256) {
    std::int8_t values[256];
    float scales[16];
    UnpackQ6_K(row, values, scales);
    for (int i = 0; i < 256; ++i) out[i] = scales[i / 16] * static_cast<float>(values[i]);
  }
}

}  // namespace

void UnpackQ6_K(const std::byte* block, std::int8_t* values, float* scales) {
  const float d = HalfToFloat(Load16(block + 208));
  // Two halves of 128 columns, each four runs of 32: runs 0 and 1 in the low four bits of 64 bytes,
  // runs 2 and 3 in the high four; run i has its high two bits at bit 2 i of 32 bytes.
  for (int run = 0; run < 8; ++run) {
    const std::byte* low = block + 64 * (run / 4) + 32 * (run % 2);
    const std::byte* high = block + 128 + 32 * (run / 4);
    const int low_shift = 4 * (run / 2 % 2);
    const int high_shift = 2 * (run % 4);
    for (int i = 0; i < 32; ++i) {
      const int low4 = (Unsigned(low[i]) >> low_shift) & 15;
      const int high2 = (Unsigned(high[i]) >> high_shift) & 3;
      values[32 * run + i] = static_cast<std::int8_t>((low4 | (high2 << 4)) - 32);
    }
  }
  for (int i = 0; i < 16; ++i) scales[i] = d * static_cast<float>(Signed(block[192 + i]));
}

void DequantizeRow(TensorType type, const std::byte* row, std::size_t columns,
                   float* __restrict out) {
  switch (type) {
    case TensorType::kF32:
      std::memcpy(out, row, columns * sizeof(float));
      return;
    case TensorType::kF16:
      return DequantizeF16(row, columns, out);
    case TensorType::kBF16:
      return DequantizeBF16(row, columns, out);
    case TensorType::kQ8_0:
      return DequantizeQ8_0(row, columns, out);
    case TensorType::kQ4_0:
      return DequantizeQ4_0(row, columns, out);
    case TensorType::kQ6_K:
      return DequantizeQ6_K(row, columns, out);
  }
}

}  // namespace recycling::verifier
