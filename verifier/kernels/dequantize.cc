#include "verifier/kernels/dequantize.h"

#include <cstdint>
#include <cstring>

#include "verifier/kernels/float_math.h"
#include "verifier/kernels/formats/iq4_values.h"
#include "verifier/kernels/formats/six_bits.h"

namespace recycling::verifier {
namespace {

float Half(const std::byte* at) {
  std::uint16_t value;
  std::memcpy(&value, at, sizeof(value));
  return HalfToFloat(value);
}
int Unsigned(std::byte b) { return std::to_integer<int>(b); }
int Signed(std::byte b) { return static_cast<std::int8_t>(b); }
// Returns 4-bit value c of 32 values in 16 bytes. The low halves of the bytes hold values 0 to 15,
// the high halves hold values 16 to 31.
int Nibble(const std::byte* bytes, std::size_t c) {
  return Unsigned(bytes[c % 16]) >> (c < 16 ? 0 : 4) & 15;
}
int HighBit(const std::byte* bits, std::size_t c) { return Unsigned(bits[c / 8]) >> c % 8 & 1; }

// Each of the following functions unpacks one block to floats.
void Q8_0Block(const std::byte* block, float* __restrict out) {
  const float d = Half(block);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(Signed(block[2 + i]));
}

void Q4_0Block(const std::byte* block, float* __restrict out) {
  const float d = Half(block);
  for (std::size_t c = 0; c < 32; ++c) {
    out[c] = d * static_cast<float>(Nibble(block + 2, c) - 8);
  }
}

void Q4_1Block(const std::byte* block, float* __restrict out) {
  const float d = Half(block);
  const float m = Half(block + 2);
  for (std::size_t c = 0; c < 32; ++c) out[c] = d * static_cast<float>(Nibble(block + 4, c)) + m;
}

void Q5_0Block(const std::byte* block, float* __restrict out) {
  const float d = Half(block);
  for (std::size_t c = 0; c < 32; ++c) {
    const int q = Nibble(block + 6, c) | HighBit(block + 2, c) << 4;
    out[c] = d * static_cast<float>(q - 16);
  }
}

void Q5_1Block(const std::byte* block, float* __restrict out) {
  const float d = Half(block);
  const float m = Half(block + 2);
  for (std::size_t c = 0; c < 32; ++c) {
    const int q = Nibble(block + 8, c) | HighBit(block + 4, c) << 4;
    out[c] = d * static_cast<float>(q) + m;
  }
}

void IQ4_NLBlock(const std::byte* block, float* __restrict out) {
  const float d = Half(block);
  for (std::size_t c = 0; c < 32; ++c) {
    out[c] = d * static_cast<float>(kIq4Values[Nibble(block + 2, c)]);
  }
}

void IQ4_XSBlock(const std::byte* block, float* __restrict out) {
  const float d = Half(block);
  for (std::size_t b = 0; b < 8; ++b) {
    const int low = Unsigned(block[4 + b / 2]) >> 4 * (b % 2) & 15;
    const int high = Unsigned(block[2 + b / 4]) >> 2 * (b % 4) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    for (std::size_t c = 0; c < 32; ++c) {
      out[32 * b + c] = scale * static_cast<float>(kIq4Values[Nibble(block + 8 + 16 * b, c)]);
    }
  }
}

// Unpacks a block of Q4_K, or of Q5_K if `five`. Q5_K has 32 bytes of high bits before the low
// ones.
void FourOrFiveBitBlock(const std::byte* block, bool five, float* __restrict out) {
  const float d = Half(block);
  const float e = Half(block + 2);
  const std::byte* low = block + (five ? 48 : 16);
  for (std::size_t b = 0; b < 8; ++b) {
    const ScaleAndMinimum pair = SixBits(block + 4, b);
    const float scale = d * static_cast<float>(Unsigned(pair.scale));
    const float minimum = e * static_cast<float>(Unsigned(pair.minimum));
    for (std::size_t c = 0; c < 32; ++c) {
      int q = Unsigned(low[32 * (b / 2) + c]) >> 4 * (b % 2) & 15;
      if (five) q |= (Unsigned(block[16 + c]) >> b & 1) << 4;
      out[32 * b + c] = scale * static_cast<float>(q) - minimum;
    }
  }
}
void Q4_KBlock(const std::byte* block, float* __restrict out) {
  FourOrFiveBitBlock(block, /*five=*/false, out);
}
void Q5_KBlock(const std::byte* block, float* __restrict out) {
  FourOrFiveBitBlock(block, /*five=*/true, out);
}

void Q6_KBlock(const std::byte* block, float* __restrict out) {
  const float d = Half(block + 208);
  for (std::size_t run = 0; run < 8; ++run) {
    const std::byte* low = block + 64 * (run / 4) + 32 * (run % 2);
    const std::byte* high = block + 128 + 32 * (run / 4);
    for (std::size_t c = 0; c < 32; ++c) {
      const int four = Unsigned(low[c]) >> 4 * (run / 2 % 2) & 15;
      const int two = Unsigned(high[c]) >> 2 * (run % 4) & 3;
      const float scale = d * static_cast<float>(Signed(block[192 + 2 * run + c / 16]));
      out[32 * run + c] = scale * static_cast<float>((four | two << 4) - 32);
    }
  }
}

void Q3_KBlock(const std::byte* block, float* __restrict out) {
  const float d = Half(block + 108);
  for (std::size_t i = 0; i < 16; ++i) {
    const int low = Unsigned(block[96 + i % 8]) >> 4 * (i / 8) & 15;
    const int high = Unsigned(block[104 + i % 4]) >> 2 * (i / 4) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    const std::size_t run = i / 2;
    for (std::size_t c = 16 * (i % 2); c < 16 * (i % 2) + 16; ++c) {
      const int two = Unsigned(block[32 + 32 * (run / 4) + c]) >> 2 * (run % 4) & 3;
      const int one = Unsigned(block[c]) >> run & 1;
      out[32 * run + c] = scale * static_cast<float>((two | one << 2) - 4);
    }
  }
}

void Q2_KBlock(const std::byte* block, float* __restrict out) {
  const float d = Half(block + 80);
  const float e = Half(block + 82);
  for (std::size_t i = 0; i < 16; ++i) {
    const float scale = d * static_cast<float>(Unsigned(block[i]) & 15);
    const float minimum = e * static_cast<float>(Unsigned(block[i]) >> 4);
    const std::size_t run = i / 2;
    for (std::size_t c = 16 * (i % 2); c < 16 * (i % 2) + 16; ++c) {
      const int q = Unsigned(block[16 + 32 * (run / 4) + c]) >> 2 * (run % 4) & 3;
      out[32 * run + c] = scale * static_cast<float>(q) - minimum;
    }
  }
}

template <typename F>
void EachBlock(TensorType type, const std::byte* row, std::size_t columns, float* out, F block) {
  const TensorTypeInfo& info = InfoOf(type);
  for (std::size_t c = 0; c < columns; c += info.block_values, row += info.block_bytes) {
    block(row, out + c);
  }
}

}  // namespace

void DequantizeRow(TensorType type, const std::byte* row, std::size_t columns, float* out) {
  const auto each = [&](auto block) { EachBlock(type, row, columns, out, block); };
  switch (type) {
    case TensorType::kF32:
      std::memcpy(out, row, columns * sizeof(float));
      return;
    case TensorType::kF16:
      for (std::size_t c = 0; c < columns; ++c) out[c] = Half(row + 2 * c);
      return;
    case TensorType::kBF16:
      for (std::size_t c = 0; c < columns; ++c) {
        std::uint16_t value;
        std::memcpy(&value, row + 2 * c, sizeof(value));
        out[c] = Bfloat16ToFloat(value);
      }
      return;
    case TensorType::kQ8_0:
      return each(Q8_0Block);
    case TensorType::kQ4_0:
      return each(Q4_0Block);
    case TensorType::kQ4_1:
      return each(Q4_1Block);
    case TensorType::kQ5_0:
      return each(Q5_0Block);
    case TensorType::kQ5_1:
      return each(Q5_1Block);
    case TensorType::kQ2_K:
      return each(Q2_KBlock);
    case TensorType::kQ3_K:
      return each(Q3_KBlock);
    case TensorType::kQ4_K:
      return each(Q4_KBlock);
    case TensorType::kQ5_K:
      return each(Q5_KBlock);
    case TensorType::kQ6_K:
      return each(Q6_KBlock);
    case TensorType::kIQ4_NL:
      return each(IQ4_NLBlock);
    case TensorType::kIQ4_XS:
      return each(IQ4_XSBlock);
  }
}

}  // namespace recycling::verifier
