#include "verifier/kernels/dequantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace recycling::verifier {
namespace {

using Bytes = std::vector<std::uint8_t>;

int Byte(const Bytes& row, std::size_t at) { return row[at]; }
int SignedByte(const Bytes& row, std::size_t at) { return row[at] < 128 ? row[at] : row[at] - 256; }

// Converts half precision by its definition.
double Half(const Bytes& row, std::size_t at) {
  const int bits = Byte(row, at) + 256 * Byte(row, at + 1);
  const int exponent = bits / 1024 % 32;
  const int mantissa = bits % 1024;
  const double sign = bits < 32768 ? 1 : -1;
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  return sign *
         (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

// The number in column c of a row, by the definition of the format.
double Reference(TensorType type, const Bytes& row, std::size_t c) {
  switch (type) {
    case TensorType::kF32: {
      float value;
      std::memcpy(&value, row.data() + 4 * c, 4);
      return double{value};
    }
    case TensorType::kF16:
      return Half(row, 2 * c);
    case TensorType::kBF16: {
      const std::uint8_t single[4] = {0, 0, row[2 * c], row[2 * c + 1]};
      float value;
      std::memcpy(&value, single, 4);
      return double{value};
    }
    case TensorType::kQ8_0: {
      const std::size_t block = c / 32 * 34;
      return Half(row, block) * SignedByte(row, block + 2 + c % 32);
    }
    case TensorType::kQ4_0: {
      const std::size_t block = c / 32 * 18;
      const int pair = Byte(row, block + 2 + c % 16);
      return Half(row, block) * ((c % 32 < 16 ? pair % 16 : pair / 16) - 8);
    }
    case TensorType::kQ6_K: {
      const std::size_t block = c / 256 * 210;
      const std::size_t half = c % 256 / 128;
      const std::size_t quarter = c % 128 / 32;
      const std::size_t lane = c % 32;
      const int pair = Byte(row, block + 64 * half + 32 * (quarter % 2) + lane);
      const int low = quarter < 2 ? pair % 16 : pair / 16;
      const int high = Byte(row, block + 128 + 32 * half + lane) >> (2 * quarter) & 3;
      const int scale = SignedByte(row, block + 192 + c % 256 / 16);
      return Half(row, block + 208) * scale * (low + 16 * high - 32);
    }
  }
  return NAN;
}

class DequantizeTest : public testing::TestWithParam<TensorType> {};

TEST_P(DequantizeTest, RandomBytesGiveWhatTheFormatSays) {
  constexpr std::size_t kColumns = 768;
  const TensorTypeInfo& info = InfoOf(GetParam());
  std::mt19937 random(5);
  for (int trial = 0; trial < 200; ++trial) {
    Bytes row(kColumns / info.block_values * info.block_bytes);
    for (std::uint8_t& byte : row) byte = static_cast<std::uint8_t>(random());
    std::vector<float> got(kColumns);
    DequantizeRow(GetParam(), reinterpret_cast<const std::byte*>(row.data()), kColumns, got.data());
    for (std::size_t c = 0; c < kColumns; ++c) {
      // Scales have 11 bits and quants at most 13: every product is exact in single precision.
      const auto expected = static_cast<float>(Reference(GetParam(), row, c));
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(got[c])) << "column " << c;
      } else {
        ASSERT_EQ(got[c], expected) << "column " << c;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, DequantizeTest,
                         testing::Values(TensorType::kF32, TensorType::kF16, TensorType::kBF16,
                                         TensorType::kQ8_0, TensorType::kQ4_0, TensorType::kQ6_K),
                         [](const auto& type) { return std::string(InfoOf(type.param).name); });

}  // namespace
}  // namespace recycling::verifier
