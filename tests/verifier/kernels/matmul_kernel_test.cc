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

#include "tests/verifier/kernels/file_weights.h"
#include "tests/verifier/kernels/software_amx.h"
#include "tests/verifier/kernels/trapped_tiles.h"
#include "verifier/kernels/buffer.h"
#include "verifier/kernels/dequantize.h"
#include "verifier/kernels/float_math.h"
#include "verifier/kernels/panel_kernels.h"
#include "verifier/kernels/panel_layout.h"

namespace recycling::verifier {
namespace {

constexpr TensorType kFloatTypes[] = {TensorType::kF32, TensorType::kF16, TensorType::kBF16};
constexpr TensorType kIntegerTypes[] = {TensorType::kQ8_0, TensorType::kQ4_0, TensorType::kQ4_1,
                                        TensorType::kQ5_0, TensorType::kQ5_1, TensorType::kIQ4_NL,
                                        TensorType::kQ2_K, TensorType::kQ3_K, TensorType::kQ4_K,
                                        TensorType::kQ5_K, TensorType::kQ6_K, TensorType::kIQ4_XS};

std::vector<TensorType> AllTypes() {
  std::vector<TensorType> types(std::begin(kFloatTypes), std::end(kFloatTypes));
  types.insert(types.end(), std::begin(kIntegerTypes), std::end(kIntegerTypes));
  return types;
}

bool IsInteger(TensorType type) { return PanelFormat(type) != InputFormat::kFloat; }

// The byte offsets of the half-precision numbers in a block: the scale, and the minimum if the type
// has one.
std::vector<std::size_t> HalvesOf(TensorType type) {
  switch (type) {
    case TensorType::kQ4_1:
    case TensorType::kQ5_1:
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
      return {0, 2};
    case TensorType::kQ2_K:
      return {80, 82};
    case TensorType::kQ3_K:
      return {108};
    case TensorType::kQ6_K:
      return {208};
    default:
      return {0};
  }
}

// A random matrix in the format of a model file.
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
      const float value = number(random);
      const auto bits = std::bit_cast<std::uint32_t>(value);
      if (type == TensorType::kF32) {
        std::memcpy(&bytes[at], &bits, 4);
      } else if (type == TensorType::kBF16) {
        const auto high = static_cast<std::uint16_t>(bits >> 16);
        std::memcpy(&bytes[at], &high, 2);
      } else if (type == TensorType::kF16) {
        put_half(at, value);
      } else {
        const float scale = info.block_values == 32 ? 1.0F / 16 : 1.0F / 512;
        for (const std::size_t half : HalvesOf(type)) put_half(at + half, number(random) * scale);
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

// Gives every weight its largest magnitude: sets or clears all bits of the integers, with the scale
// `scale`.
void SetAll(TestMatrix& w, float scale, bool set) {
  const TensorType type = w.matrix.type;
  const std::size_t block_bytes = InfoOf(type).block_bytes;
  const std::uint16_t half = FloatToHalf(scale);
  for (std::size_t at = 0; at < w.bytes.size(); at += block_bytes) {
    std::byte* block = &w.bytes[at];
    if (type == TensorType::kF32) {
      std::memcpy(block, &scale, 4);
    } else if (type == TensorType::kBF16) {
      const auto high = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(scale) >> 16);
      std::memcpy(block, &high, 2);
    } else {
      const int fill = type == TensorType::kQ8_0 ? (set ? 0x7f : 0x80) : (set ? 0xff : 0);
      std::memset(block, fill, block_bytes);
      for (const std::size_t at_half : HalvesOf(type)) std::memcpy(block + at_half, &half, 2);
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
  // What earlier passes have left there must have no effect.
  std::memset(inputs.data(), 0xff, inputs.size());
  std::memset(scratch.data(), 0xff, scratch.size());
  // The parts of a row, the last one first, because threads prepare them in any order.
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t end = w.columns; end > 0;) {
      const std::size_t begin = (end - 1) / kInputPartColumns * kInputPartColumns;
      kernel.Prepare(format, input.data() + r * w.columns, {w.columns, begin, end, r, rows},
                     inputs.data());
      end = begin;
    }
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

bool HasMinimum(TensorType type) {
  return type == TensorType::kQ4_1 || type == TensorType::kQ5_1 || type == TensorType::kQ2_K ||
         type == TensorType::kQ4_K || type == TensorType::kQ5_K;
}

// A row of activations, rounded as packed_format.h says.
struct Rounded {
  std::vector<int> a;    // [columns]
  std::vector<int> e;    // [columns / 32]
  std::vector<float> s;  // [chunks]
};

Rounded RoundRow(const float* x, std::size_t columns) {
  Rounded row;
  for (std::size_t first = 0; first < columns; first += 256) {
    const std::size_t end = std::min(first + 256, columns);
    float largest = 0;
    for (std::size_t c = first; c < end; ++c) largest = std::max(largest, std::fabs(x[c]));
    row.s.push_back(largest < 0x1p-100F ? 0.0F : largest / 127.0F * 0x1p-10F);
    for (std::size_t b = first; b < end; b += 32) {
      float block_largest = 0;
      for (std::size_t c = b; c < b + 32; ++c) {
        block_largest = std::max(block_largest, std::fabs(x[c]));
      }
      int k = 10;
      while (k > 0 && block_largest * std::exp2f(static_cast<float>(k)) > largest) --k;
      row.e.push_back(10 - k);
      for (std::size_t c = b; c < b + 32; ++c) {
        const float factor = 127.0F / largest * std::exp2f(static_cast<float>(k));
        row.a.push_back(largest < 0x1p-100F ? 0 : static_cast<int>(std::nearbyintf(x[c] * factor)));
      }
    }
  }
  return row;
}

// Computes one output with the arithmetic of packed_format.h and panel_layout.h in scalar code.
float PanelProduct(const Matrix& w, std::size_t o, const float* x) {
  float sum = 0;
  if (!IsInteger(w.type)) {
    std::vector<float> weights(w.columns);
    DequantizeRow(w.type, w.Row(o), w.columns, weights.data());
    for (std::size_t c = 0; c < w.columns; ++c) sum = std::fma(weights[c], x[c], sum);
    return sum;
  }
  const Rounded row = RoundRow(x, w.columns);
  const std::size_t step = PanelFormat(w.type) == InputFormat::kIntegers16 ? 16 : 32;
  for (std::size_t first = 0; first < w.columns; first += 256) {
    float f = 0;
    for (std::size_t c = first; c < std::min(first + 256, w.columns); c += step) {
      std::int64_t i = 0;
      std::int64_t t = 0;
      for (std::size_t j = c; j < c + step; ++j) {
        i += WeightAt(w, o, j).q * row.a[j];
        t += row.a[j];
      }
      const Weight weight = WeightAt(w, o, c);
      const std::int64_t power = std::int64_t{1} << row.e[c / 32];
      EXPECT_LT(std::abs(i * power), std::int64_t{1} << 30);
      f = std::fma(static_cast<float>(i * power), weight.d, f);
      if (HasMinimum(w.type)) f = std::fma(static_cast<float>(t * power), -weight.m, f);
    }
    sum = std::fma(f, row.s[first / 256], sum);
  }
  return sum;
}

// The largest error of the fast arithmetic. It comes from rounded activations and from rounded
// float sums.
double PossibleError(TensorType type, const float* weights, const float* x, std::size_t columns) {
  double error = 0;
  for (std::size_t first = 0; first < columns; first += 256) {
    const std::size_t end = std::min(first + 256, columns);
    float chunk_largest = 0;
    for (std::size_t c = first; c < end; ++c) {
      chunk_largest = std::max(chunk_largest, std::fabs(x[c]));
    }
    for (std::size_t b = first; b < end; b += 32) {
      float largest = 0;
      for (std::size_t c = b; c < b + 32; ++c) largest = std::max(largest, std::fabs(x[c]));
      // The step of a block is a power of two times the step of its chunk. It is at most twice as
      // large as the block needs, but at least 2^-10 of the chunk's step.
      const double step = std::max(2.0 * largest, chunk_largest * 0x1p-10) / 127;
      for (std::size_t c = b; c < b + 32; ++c) {
        error += std::fabs(double{weights[c]} * x[c]) * 1e-5;
        if (IsInteger(type)) error += std::fabs(weights[c]) * step * 0.501;
      }
    }
  }
  return error + 1e-5;
}

struct NamedKernel {
  std::string name;
  const MatMulKernel* kernel;
  bool slow = false;
};

void PrintTo(const NamedKernel& named, std::ostream* out) { *out << named.name; }

// Every kernel that this machine supports, and the AMX kernel with its tiles in memory. A machine
// with AVX-512 VNNI but without AMX also runs the real AMX kernel, whose instructions it emulates.
std::vector<NamedKernel> AllKernels() {
  std::vector<NamedKernel> kernels = {{"portable", &PortableKernel()}};
  for (const InstructionSet set : SupportedInstructionSets()) {
    if (set == InstructionSet::kPortable || set == InstructionSet::kAmx) continue;
    std::string name(Name(set));
    std::erase(name, '-');
    kernels.push_back({name, &MatMulKernel::For(set)});
  }
  kernels.push_back({"amxinsoftware", &PlainAmxKernel()});
#if defined(__x86_64__)
  if (Supports(InstructionSet::kAmx)) kernels.push_back({"amx", &AmxTileKernel()});
  if (Supports(InstructionSet::kAvx512Vnni)) {
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
  for (const TensorType type : AllTypes()) {
    for (const std::size_t columns : {32u, 64u, 576u, 896u, 1024u}) {
      if (columns % InfoOf(type).block_values != 0) continue;
      const TestMatrix w(type, 75, columns, 1);
      const std::size_t rows = 14;
      const std::vector<float> input = RandomInput(rows, columns, 2);
      std::vector<float> expected(rows * w.matrix.rows);
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t o = 0; o < w.matrix.rows; ++o) {
          expected[r * w.matrix.rows + o] = PanelProduct(w.matrix, o, &input[r * columns]);
        }
      }
      EXPECT_TRUE(SameBits(Product(kernel(), w.matrix, input, rows), expected))
          << InfoOf(type).name << ", " << columns << " columns";
    }
  }
}

// MatMul reserves memory for the largest pass and then runs smaller ones. In a mixture it prepares
// the rows of each expert separately.
TEST_P(MatMulKernelTest, FewerRowsNeedNoMoreMemory) {
  for (const std::size_t columns : {32u, 576u, 1024u}) {
    for (std::size_t rows = 1; rows < 130; ++rows) {
      for (const InputFormat format :
           {InputFormat::kFloat, InputFormat::kIntegers32, InputFormat::kIntegers16}) {
        const std::size_t bytes = kernel().InputBytes(format, rows, columns);
        EXPECT_LE(bytes, kernel().InputBytes(format, rows + 1, columns)) << rows << " rows";
        EXPECT_EQ(bytes % 64, 0u) << rows << " rows";
        EXPECT_LE(bytes, rows * kernel().InputBytes(format, 1, columns)) << rows << " rows";
      }
      EXPECT_LE(kernel().ScratchBytes(rows, columns), kernel().ScratchBytes(rows + 1, columns));
    }
  }
}

// Every weight and every input has its largest magnitude, once with equal and once with alternating
// signs.
TEST_P(MatMulKernelTest, TheLargestSumsDoNotOverflow) {
  const std::size_t columns = 1024;
  for (const TensorType type : AllTypes()) {
    for (const bool set : {false, true}) {
      for (const std::size_t period : {1u, 2u, 512u}) {
        TestMatrix w(type, 33, columns, 15);
        SetAll(w, set ? 1.0F : -1.0F, set);
        std::vector<float> input(2 * columns);
        for (std::size_t c = 0; c < columns; ++c) {
          input[c] = c / period % 2 == 0 ? 3.0F : -3.0F;
          input[columns + c] = 1e30F;
        }
        const std::vector<float> out = Product(kernel(), w.matrix, input, 2);
        for (const std::size_t o : {0u, 32u}) {
          for (std::size_t r = 0; r < 2; ++r) {
            const float expected = PanelProduct(w.matrix, o, &input[r * columns]);
            EXPECT_EQ(out[r * 33 + o], expected) << InfoOf(type).name;
            EXPECT_TRUE(std::isfinite(expected));
          }
        }
      }
    }
  }
}

TEST_P(MatMulKernelTest, IsCloseToExactProducts) {
  for (const TensorType type : AllTypes()) {
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
        const double error = PossibleError(type, weights.data(), x, columns);
        EXPECT_NEAR(out[r * w.matrix.rows + o], exact, error) << InfoOf(type).name;
      }
    }
  }
}

TEST_P(MatMulKernelTest, TheBitsOfARowDoNotDependOnOtherRows) {
  for (const TensorType type : AllTypes()) {
    if (GetParam().slow && type != TensorType::kQ8_0 && type != TensorType::kQ2_K) continue;
    const std::size_t columns = InfoOf(type).block_values == 256 ? 768 : 608;
    const TestMatrix w(type, 130, columns, 5);
    const std::vector<float> input = RandomInput(97, columns, 6);
    std::vector<float> alone;
    for (std::size_t r = 0; r < 97; ++r) {
      const std::vector<float> row(input.begin() + static_cast<std::ptrdiff_t>(r * columns),
                                   input.begin() + static_cast<std::ptrdiff_t>((r + 1) * columns));
      const std::vector<float> out = Product(kernel(), w.matrix, row, 1);
      alone.insert(alone.end(), out.begin(), out.end());
    }
    for (const std::size_t rows :
         {2u, 3u, 5u, 8u, 11u, 12u, 13u, 16u, 17u, 24u, 25u, 40u, 80u, 81u, 97u}) {
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
  for (const TensorType type : AllTypes()) {
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

TEST_P(MatMulKernelTest, ZeroAndTinyInputsGiveTinyOutputs) {
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
