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

#include "tests/verifier/kernels/software_amx.h"
#include "tests/verifier/kernels/trapped_tiles.h"
#include "verifier/kernels/amx_layout.h"
#include "verifier/kernels/buffer.h"
#include "verifier/kernels/dequantize.h"
#include "verifier/kernels/float_math.h"
#include "verifier/kernels/panel_kernels.h"
#include "verifier/kernels/panel_layout.h"

namespace recycling::verifier {
namespace {

constexpr TensorType kTypes[] = {TensorType::kF32,  TensorType::kF16,  TensorType::kBF16,
                                 TensorType::kQ8_0, TensorType::kQ4_0, TensorType::kQ6_K};

// A random matrix in the file's format.
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

// A matrix in which every weight has the largest magnitude of its type with a scale of `scale`.
void SetAll(TestMatrix& w, float scale) {
  const std::size_t block_bytes = InfoOf(w.matrix.type).block_bytes;
  const std::uint16_t half = FloatToHalf(scale);
  for (std::size_t at = 0; at < w.bytes.size(); at += block_bytes) {
    std::byte* block = &w.bytes[at];
    switch (w.matrix.type) {
      case TensorType::kF32:
        std::memcpy(block, &scale, 4);
        break;
      case TensorType::kF16:
        std::memcpy(block, &half, 2);
        break;
      case TensorType::kBF16: {
        const auto high = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(scale) >> 16);
        std::memcpy(block, &high, 2);
        break;
      }
      case TensorType::kQ8_0:
      case TensorType::kQ4_0: {
        const bool bytes = w.matrix.type == TensorType::kQ8_0;
        std::memset(block, bytes ? 0x80 : 0, block_bytes);  // -128, -8
        std::memcpy(block, &half, 2);
        break;
      }
      case TensorType::kQ6_K:
        std::memset(block, 0, 192);  // -32
        std::memset(block + 192, 0x80, 16);
        std::memcpy(block + 208, &half, 2);
        break;
    }
  }
}

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

// Column c of a row of integers: value, scale, and 1, 16 or 4 (amx_layout.h).
struct Integer {
  int q;
  float d;
  int u;
};

Integer IntegerAt(const Matrix& w, std::size_t o, std::size_t c) {
  if (w.type == TensorType::kQ6_K) {
    std::int8_t values[256];
    float scales[16];
    UnpackQ6_K(w.Row(o) + c / 256 * 210, values, scales);
    return {values[c % 256], scales[c % 256 / 16], 4};
  }
  const std::byte* block = w.Row(o) + c / 32 * InfoOf(w.type).block_bytes;
  std::uint16_t half;
  std::memcpy(&half, block, 2);
  const float d = HalfToFloat(half);
  if (w.type == TensorType::kQ8_0) return {static_cast<std::int8_t>(block[2 + c % 32]), d, 1};
  const int byte = std::to_integer<int>(block[2 + c % 16]);
  return {(c % 32 < 16 ? byte & 15 : byte >> 4) - 8, d, 16};
}

// The arithmetic of panel_layout.h, one product at a time, on the bytes of the file.
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
        const std::size_t column = 32 * b + c;
        const Integer i = IntegerAt(w, o, column);
        d = i.d;
        exact += i.q * static_cast<std::int32_t>(std::nearbyintf(x[column] * inverse));
      }
      sum = std::fma(static_cast<float>(exact), d * s, sum);
    }
  }
  return sum;
}

// The arithmetic of amx_layout.h, in the same way.
float AmxProduct(const Matrix& w, std::size_t o, const float* x) {
  const bool integers = PanelFormat(w.type) == InputFormat::kInteger;
  std::vector<float> weights(w.columns);
  DequantizeRow(w.type, w.Row(o), w.columns, weights.data());
  float sum = 0;
  for (std::size_t first = 0; first < w.columns; first += 512) {
    const std::size_t end = std::min(first + 512, w.columns);
    float largest_scale = 0;
    float largest_input = 0;
    for (std::size_t c = first; c < end; ++c) {
      const Integer i = integers ? IntegerAt(w, o, c) : Integer{1, weights[c], 1};
      largest_scale = std::max(largest_scale, std::fabs(i.d / static_cast<float>(i.u)));
      largest_input = std::max(largest_input, std::fabs(x[c]));
    }
    const float to_factor = 32512 / largest_scale;
    const float to_input = 32512 / largest_input;
    std::int64_t sums[2][2] = {};  // [high or low part of the weight][of the input]
    for (std::size_t c = first; c < end; ++c) {
      const Integer i = integers ? IntegerAt(w, o, c) : Integer{1, weights[c], 1};
      const auto factor =
          static_cast<int>(std::nearbyint(i.d / static_cast<float>(i.u) * to_factor));
      const int weight =
          integers ? static_cast<int>(std::floor(i.q * i.u * factor / 128.0 + 0.5)) : factor;
      const auto input = static_cast<int>(std::nearbyint(x[c] * to_input));
      const int w0 = static_cast<std::int8_t>(weight & 255);
      const int a0 = static_cast<std::int8_t>(input & 255);
      const int w1 = (weight - w0) / 256;
      const int a1 = (input - a0) / 256;
      EXPECT_LE(std::abs(w1), 127);
      EXPECT_LE(std::abs(a1), 127);
      sums[0][0] += w1 * a1;
      sums[0][1] += w1 * a0;
      sums[1][0] += w0 * a1;
    }
    const std::int64_t all = 256 * sums[0][0] + sums[0][1] + sums[1][0];
    EXPECT_EQ(all, static_cast<std::int32_t>(all));
    const float scale = largest_scale / 32512 * (integers ? 128.0F : 1.0F) * 256;
    sum = std::fma(static_cast<float>(all), scale * (largest_input / 32512), sum);
  }
  return sum;
}

// How far each arithmetic may be from the exact product. The error comes from rounded activations
// and weights and from rounded sums.
double PossibleError(const MatMulKernel& kernel, const float* weights, const float* x,
                     std::size_t columns) {
  const bool amx = kernel.arithmetic() == kAmxArithmetic;
  const std::size_t chunk = amx ? 512 : 32;
  double error = 0;
  for (std::size_t first = 0; first < columns; first += chunk) {
    const std::size_t end = std::min(first + chunk, columns);
    float most_w = 0;
    float most_x = 0;
    for (std::size_t c = first; c < end; ++c) {
      most_w = std::max(most_w, std::fabs(weights[c]));
      most_x = std::max(most_x, std::fabs(x[c]));
    }
    const double w_step = amx ? most_w / 32512 : 0;
    const double x_step = most_x / (amx ? 32512 : 32767);
    for (std::size_t c = first; c < end; ++c) {
      error += std::fabs(double{weights[c]} * x[c]) * 1e-5;
      // A weight of a block with a smaller scale is rounded twice.
      error += std::fabs(weights[c]) * x_step * 0.501 + std::fabs(x[c]) * w_step * 2.01;
      error += w_step * x_step * 128 * 128;
    }
  }
  return error;
}

struct NamedKernel {
  std::string name;
  const MatMulKernel* kernel;
  bool slow = false;
};

void PrintTo(const NamedKernel& named, std::ostream* out) { *out << named.name; }

// Every kernel that this machine supports and the AMX kernel with tiles in software; with AVX-512
// also the AMX kernel with trapped instructions.
std::vector<NamedKernel> AllKernels() {
  std::vector<NamedKernel> kernels;
  for (const InstructionSet set : SupportedInstructionSets()) {
    std::string name(Name(set));
    std::erase(name, '-');
    kernels.push_back({name, &MatMulKernel::For(set)});
  }
  kernels.push_back({"amxinsoftware", &PlainAmxKernel()});
#if defined(__x86_64__)
  if (Supports(InstructionSet::kAvx512)) {
    kernels.push_back({"amxwithavx512", &Avx512AmxKernel()});
    if (!Supports(InstructionSet::kAmx) && TrapTiles()) {
      kernels.push_back({"amxtrapped", &AmxTileKernel(), /*slow=*/true});
    }
  }
#endif
  return kernels;
}

class MatMulKernelTest : public testing::TestWithParam<NamedKernel> {
 protected:
  const MatMulKernel& kernel() const { return *GetParam().kernel; }
};

TEST_P(MatMulKernelTest, ComputesTheDocumentedArithmeticToTheBit) {
  if (!kernel().packs()) return;  // the next test checks the portable kernel
  const bool amx = kernel().arithmetic() == kAmxArithmetic;
  ASSERT_TRUE(amx || kernel().arithmetic() == kPanelArithmetic);
  for (const TensorType type : kTypes) {
    const std::size_t columns = type == TensorType::kQ6_K ? 768 : 1120;
    const TestMatrix w(type, 75, columns, 1);
    const std::size_t rows = 14;
    const std::vector<float> input = RandomInput(rows, columns, 2);
    std::vector<float> expected(rows * w.matrix.rows);
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t o = 0; o < w.matrix.rows; ++o) {
        expected[r * w.matrix.rows + o] =
            (amx ? AmxProduct : PanelProduct)(w.matrix, o, &input[r * columns]);
      }
    }
    EXPECT_TRUE(SameBits(Product(kernel(), w.matrix, input, rows), expected)) << InfoOf(type).name;
  }
}

// Every weight and every input has its largest magnitude, once with equal and once with alternating
// signs.
TEST_P(MatMulKernelTest, TheLargestSumsDoNotOverflow) {
  if (!kernel().packs()) return;
  const bool amx = kernel().arithmetic() == kAmxArithmetic;
  const std::size_t columns = 1024;
  for (const TensorType type : kTypes) {
    for (const float sign : {1.0F, -1.0F}) {
      for (const std::size_t period : {1, 2, 512}) {
        TestMatrix w(type, 33, columns, 15);
        SetAll(w, sign);
        std::vector<float> input(2 * columns);
        for (std::size_t c = 0; c < columns; ++c) {
          input[c] = c / period % 2 == 0 ? 3.0F : -3.0F;
          input[columns + c] = 1e30F;
        }
        const std::vector<float> out = Product(kernel(), w.matrix, input, 2);
        for (const std::size_t o : {0, 32}) {
          for (std::size_t r = 0; r < 2; ++r) {
            const float expected =
                (amx ? AmxProduct : PanelProduct)(w.matrix, o, &input[r * columns]);
            EXPECT_EQ(out[r * 33 + o], expected) << InfoOf(type).name;
            EXPECT_TRUE(std::isfinite(expected));
          }
        }
      }
    }
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
        const float* x = &input[r * columns];
        double exact = 0;
        for (std::size_t c = 0; c < columns; ++c) exact += double{weights[c]} * x[c];
        const double error = PossibleError(kernel(), weights.data(), x, columns);
        EXPECT_NEAR(out[r * w.matrix.rows + o], exact, error) << InfoOf(type).name;
      }
    }
  }
}

TEST_P(MatMulKernelTest, TheBitsOfARowDoNotDependOnOtherRows) {
  for (const TensorType type : kTypes) {
    if (GetParam().slow && type != TensorType::kQ8_0) continue;
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

TEST_P(MatMulKernelTest, AddsToTheOutput) {
  const TestMatrix w(TensorType::kQ8_0, 70, 64, 7);
  const std::vector<float> input = RandomInput(5, 64, 8);
  std::vector<float> expected = Product(kernel(), w.matrix, input, 5);
  for (float& x : expected) x = 1.5F + x;
  EXPECT_TRUE(SameBits(Product(kernel(), w.matrix, input, 5, 1, /*add=*/true), expected));
}

TEST_P(MatMulKernelTest, AcceptsColumnsThatAreNotAMultipleOfABlock) {
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

TEST_P(MatMulKernelTest, InputsThatAreNotFiniteGiveOutputsThatAreNotFinite) {
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

INSTANTIATE_TEST_SUITE_P(All, MatMulKernelTest, testing::ValuesIn(AllKernels()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace recycling::verifier
