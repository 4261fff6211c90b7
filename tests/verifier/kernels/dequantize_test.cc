#include "verifier/kernels/dequantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "tests/verifier/kernels/file_weights.h"

namespace recycling::verifier {
namespace {

using Bytes = std::vector<std::uint8_t>;

int Byte(const Bytes& row, std::size_t at) { return row[at]; }

// The half-precision number at byte `at`.
double Half(const Bytes& row, std::size_t at) {
  const int bits = Byte(row, at) + 256 * Byte(row, at + 1);
  const int exponent = bits / 1024 % 32;
  const int mantissa = bits % 1024;
  const double sign = bits < 32768 ? 1 : -1;
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  return sign *
         (exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25));
}

// The number in column c of a row, decoded as the format defines it.
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
    default: {
      const TensorTypeInfo& info = InfoOf(type);
      const Matrix matrix = {.type = type,
                             .rows = 1,
                             .columns = row.size() / info.block_bytes * info.block_values,
                             .row_bytes = row.size(),
                             .data = reinterpret_cast<const std::byte*>(row.data())};
      const Weight weight = WeightAt(matrix, 0, c);
      return double{weight.d} * weight.q - double{weight.m};
    }
  }
}

class DequantizeTest : public testing::TestWithParam<TensorType> {};

TEST_P(DequantizeTest, RandomBytesGiveTheNumbersThatTheFormatDefines) {
  constexpr std::size_t kColumns = 768;
  const TensorTypeInfo& info = InfoOf(GetParam());
  std::mt19937 random(5);
  for (int trial = 0; trial < 200; ++trial) {
    Bytes row(kColumns / info.block_values * info.block_bytes);
    for (std::uint8_t& byte : row) byte = static_cast<std::uint8_t>(random());
    std::vector<float> got(kColumns);
    DequantizeRow(GetParam(), reinterpret_cast<const std::byte*>(row.data()), kColumns, got.data());
    for (std::size_t c = 0; c < kColumns; ++c) {
      // Products of scales and integers are exact in single precision.
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
                                         TensorType::kQ8_0, TensorType::kQ4_0, TensorType::kQ4_1,
                                         TensorType::kQ5_0, TensorType::kQ5_1, TensorType::kQ2_K,
                                         TensorType::kQ3_K, TensorType::kQ4_K, TensorType::kQ5_K,
                                         TensorType::kQ6_K, TensorType::kIQ4_NL,
                                         TensorType::kIQ4_XS),
                         [](const auto& type) { return std::string(InfoOf(type.param).name); });

}  // namespace
}  // namespace recycling::verifier
