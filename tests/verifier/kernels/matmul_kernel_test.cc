#include "verifier/kernels/matmul_kernel.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "verifier/buffer.h"
#include "verifier/kernels/dequantize.h"
#include "verifier/kernels/float_math.h"
#include "verifier/kernels/panel_layout.h"

namespace recycling::verifier {
namespace {

constexpr TensorType kTypes[] = {TensorType::kF32,  TensorType::kF16,  TensorType::kBF16,
                                 TensorType::kQ8_0, TensorType::kQ4_0, TensorType::kQ6_K};

// A matrix in the file's format, as random as the format allows.
struct TestMatrix {
  TestMatrix(TensorType type, std::size_t rows, std::size_t columns, unsigned seed) {
    const TensorTypeInfo& info = InfoOf(type);
    const std::size_t row_bytes = columns / info.block_values * info.block_bytes;
    bytes.resize(rows * row_bytes);
    std::mt19937 random(seed);
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    std::uniform_real_distribution<float> number(-1, 1);
    const auto put_half = [&](std::size_t at, float value) {
      const std::uint16_t half = FloatToHalf(value);
      std::memcpy(&bytes[at], &half, 2);
    };
    for (std::size_t at = 0; at < bytes.size(); at += info.block_bytes) {
      switch (type) {
        case TensorType::kF32: {
          const float value = number(random);
          std::memcpy(&bytes[at], &value, 4);
          break;
        }
        case TensorType::kF16:
          put_half(at, number(random));
          break;
        case TensorType::kBF16: {
          const auto bits = std::bit_cast<std::uint32_t>(number(random));
          const auto high = static_cast<std::uint16_t>(bits >> 16);
          std::memcpy(&bytes[at], &high, 2);
          break;
        }
        case TensorType::kQ8_0:
        case TensorType::kQ4_0:
          put_half(at, number(random) / 16);
          break;
        case TensorType::kQ6_K:
          put_half(at + 208, number(random) / 512);
          break;
      }
    }
    matrix = {.type = type,
              .rows = rows,
              .columns = columns,
              .row_bytes = row_bytes,
              .data = bytes.data()};
  }

  std::vector<std::byte> bytes;
  Matrix matrix;
};

std::vector<float> RandomInput(std::size_t rows, std::size_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> number;
  std::vector<float> input(rows * columns);
  for (float& x : input) x = number(random);
  for (std::size_t i = 7; i < input.size(); i += 301) input[i] *= 1000;  // outliers
  return input;
}

// Runs one kernel as MatMul does: pack, prepare, multiply, in tasks of `task_panels` panels.
std::vector<float> Product(const MatMulKernel& kernel, const Matrix& w,
                           const std::vector<float>& input, std::size_t rows,
                           std::size_t task_panels = 1000, bool add = false) {
  PackedMatrix packed = kernel.Layout(w);
  Buffer<std::byte> data, inputs, scratch;
  if (kernel.packs()) {
    EXPECT_TRUE(data.Reserve(packed.bytes(), "test").ok());
    for (std::size_t p = 0; p < packed.panels(); ++p) {
      kernel.PackPanel(w, p, data.data() + p * packed.panel_bytes);
    }
    packed.data = data.data();
  }
  const InputFormat format = kernel.FormatFor(w.type);
  EXPECT_TRUE(inputs.Reserve(kernel.InputBytes(format, rows, w.columns), "test").ok());
  EXPECT_TRUE(scratch.Reserve(kernel.ScratchBytes(rows, w.columns), "test").ok());
  for (std::size_t r = 0; r < rows; ++r) {
    kernel.PrepareRow(format, input.data() + r * w.columns, w.columns, r, rows, inputs.data());
  }
  std::vector<float> out(rows * w.rows, add ? 1.5F : std::numeric_limits<float>::quiet_NaN());
  for (std::size_t p = 0; p < packed.panels(); p += task_panels) {
    kernel.Multiply(packed, p, std::min(p + task_panels, packed.panels()), inputs.data(), rows, add,
                    out.data(), scratch.data());
  }
  return out;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// The arithmetic of panel_layout.h, one product at a time, from the file's bytes.
float PanelProduct(const Matrix& w, std::size_t o, const float* x) {
  std::vector<float> weights(w.columns);
  DequantizeRow(w.type, w.Row(o), w.columns, weights.data());
  float sum = 0;
  if (PanelFormat(w.type) == InputFormat::kFloat) {
    for (std::size_t c = 0; c < w.columns; ++c) sum = std::fma(weights[c], x[c], sum);
    return sum;
  }
  for (std::size_t b = 0; b < w.columns / 32; ++b) {
    float largest = 0;
    for (std::size_t c = 0; c < 32; ++c) largest = std::max(largest, std::fabs(x[32 * b + c]));
    const float s = largest / 32767.0F;
    const float inverse = largest == 0 ? 0 : 32767.0F / largest;
    const std::size_t step = BlockColumns(w.type);
    for (std::size_t part = 0; part < 32; part += step) {
      std::int32_t exact = 0;
      float d = 0;
      for (std::size_t c = part; c < part + step; ++c) {
        // The integer and the scale behind a weight.
        std::int32_t q = 0;
        const std::size_t column = 32 * b + c;
        if (w.type == TensorType::kQ6_K) {
          std::int8_t values[256];
          float scales[16];
          UnpackQ6_K(w.Row(o) + column / 256 * 210, values, scales);
          q = values[column % 256];
          d = scales[column % 256 / 16];
        } else {
          const std::size_t block_bytes = InfoOf(w.type).block_bytes;
          const std::byte* block = w.Row(o) + b * block_bytes;
          std::uint16_t half;
          std::memcpy(&half, block, 2);
          d = HalfToFloat(half);
          if (w.type == TensorType::kQ8_0) {
            q = static_cast<std::int8_t>(block[2 + c]);
          } else {
            const int byte = std::to_integer<int>(block[2 + c % 16]);
            q = (c < 16 ? byte & 15 : byte >> 4) - 8;
          }
        }
        exact += q * static_cast<std::int32_t>(std::nearbyintf(x[column] * inverse));
      }
      sum = std::fma(static_cast<float>(exact), d * s, sum);
    }
  }
  return sum;
}

class MatMulKernelTest : public testing::TestWithParam<InstructionSet> {
 protected:
  const MatMulKernel& kernel() const { return MatMulKernel::For(GetParam()); }
};

TEST_P(MatMulKernelTest, ComputesTheDocumentedArithmeticToTheBit) {
  if (GetParam() == InstructionSet::kPortable) return;  // has its own, checked by the next test
  if (kernel().arithmetic() != kPanelArithmetic) return;
  for (const TensorType type : kTypes) {
    const std::size_t columns = type == TensorType::kQ6_K ? 512 : 352;
    const TestMatrix w(type, 75, columns, 1);
    const std::size_t rows = 14;
    const std::vector<float> input = RandomInput(rows, columns, 2);
    std::vector<float> expected(rows * w.matrix.rows);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t o = 0; o < w.matrix.rows; ++o) {
        expected[r * w.matrix.rows + o] = PanelProduct(w.matrix, o, &input[r * columns]);
      }
    }
    EXPECT_TRUE(SameBits(Product(kernel(), w.matrix, input, rows), expected)) << InfoOf(type).name;
  }
}

TEST_P(MatMulKernelTest, IsCloseToExactProducts) {
  for (const TensorType type : kTypes) {
    const std::size_t columns = 768;
    const TestMatrix w(type, 40, columns, 3);
    const std::vector<float> input = RandomInput(3, columns, 4);
    const std::vector<float> out = Product(kernel(), w.matrix, input, 3);
    std::vector<float> weights(columns);
    for (std::size_t o = 0; o < w.matrix.rows; ++o) {
      DequantizeRow(type, w.matrix.Row(o), columns, weights.data());
      for (std::size_t r = 0; r < 3; ++r) {
        // Half a step of each rounded activation, and what floats lose in sums.
        double exact = 0;
        double error = 0;
        for (std::size_t b = 0; b < columns; b += 32) {
          const float* x = &input[r * columns + b];
          float largest = 0;
          for (std::size_t c = 0; c < 32; ++c) largest = std::max(largest, std::fabs(x[c]));
          for (std::size_t c = 0; c < 32; ++c) {
            const double product = double{weights[b + c]} * x[c];
            exact += product;
            error += std::fabs(product) * 1e-5;
            error += std::fabs(weights[b + c]) * largest / 32767 * 0.501;
          }
        }
        EXPECT_NEAR(out[r * w.matrix.rows + o], exact, error) << InfoOf(type).name;
      }
    }
  }
}

TEST_P(MatMulKernelTest, ARowsBitsDoNotDependOnTheOthers) {
  for (const TensorType type : kTypes) {
    const std::size_t columns = type == TensorType::kQ6_K ? 768 : 608;
    const TestMatrix w(type, 130, columns, 5);
    const std::vector<float> input = RandomInput(97, columns, 6);
    std::vector<float> alone;
    for (std::size_t r = 0; r < 97; ++r) {
      const std::vector<float> row(input.begin() + static_cast<std::ptrdiff_t>(r * columns),
                                   input.begin() + static_cast<std::ptrdiff_t>((r + 1) * columns));
      const std::vector<float> out = Product(kernel(), w.matrix, row, 1);
      alone.insert(alone.end(), out.begin(), out.end());
    }
    for (const std::size_t rows : {2, 3, 5, 8, 11, 12, 13, 16, 24, 25, 40, 80, 81, 97}) {
      const std::vector<float> expected(
          alone.begin(), alone.begin() + static_cast<std::ptrdiff_t>(rows * w.matrix.rows));
      EXPECT_TRUE(SameBits(Product(kernel(), w.matrix, input, rows, rows % 3 + 1), expected))
          << InfoOf(type).name << ", " << rows << " rows";
    }
  }
}

TEST_P(MatMulKernelTest, AddsToWhatIsThere) {
  const TestMatrix w(TensorType::kQ8_0, 70, 64, 7);
  const std::vector<float> input = RandomInput(5, 64, 8);
  std::vector<float> expected = Product(kernel(), w.matrix, input, 5);
  for (float& x : expected) x = 1.5F + x;
  EXPECT_TRUE(SameBits(Product(kernel(), w.matrix, input, 5, 1, /*add=*/true), expected));
}

TEST_P(MatMulKernelTest, TakesColumnsThatAreNoWholeBlock) {
  for (const TensorType type : {TensorType::kF32, TensorType::kF16, TensorType::kBF16}) {
    const TestMatrix w(type, 33, 45, 9);
    const std::vector<float> input = RandomInput(2, 45, 10);
    const std::vector<float> out = Product(kernel(), w.matrix, input, 2);
    std::vector<float> weights(45);
    DequantizeRow(type, w.matrix.Row(32), 45, weights.data());
    double exact = 0;
    for (std::size_t c = 0; c < 45; ++c) exact += double{weights[c]} * input[45 + c];
    EXPECT_NEAR(out[33 + 32], exact, 1e-3 * (1 + std::fabs(exact))) << InfoOf(type).name;
  }
}

TEST_P(MatMulKernelTest, WhatIsNotFiniteStaysNotFinite) {
  for (const TensorType type : kTypes) {
    const std::size_t columns = 256;
    const TestMatrix w(type, 32, columns, 11);
    for (const float bad :
         {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> input = RandomInput(2, columns, 12);
      input[100] = bad;
      const std::vector<float> out = Product(kernel(), w.matrix, input, 2);
      int finite = 0;
      for (std::size_t o = 0; o < 32; ++o) {
        finite += std::isfinite(out[o]) ? 1 : 0;
        EXPECT_TRUE(std::isfinite(out[32 + o]));
      }
      EXPECT_EQ(finite, 0) << InfoOf(type).name;
    }
  }
}

TEST_P(MatMulKernelTest, ZeroAndTinyInputsAreFine) {
  const TestMatrix w(TensorType::kQ8_0, 32, 64, 13);
  for (const float value : {0.0F, -0.0F, 1e-40F, std::numeric_limits<float>::denorm_min()}) {
    const std::vector<float> out = Product(kernel(), w.matrix, std::vector<float>(64, value), 1);
    for (const float x : out) EXPECT_LE(std::fabs(x), 1e-35F);
  }
}

INSTANTIATE_TEST_SUITE_P(All, MatMulKernelTest, testing::ValuesIn(SupportedInstructionSets()),
                         [](const auto& param) {
                           std::string name(Name(param.param));
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace recycling::verifier
