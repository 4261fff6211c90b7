// Compares the kernels of every instruction set with scalar code. All bits must be equal.
#include "verifier/kernels/vector_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "verifier/kernels/float_math.h"

namespace recycling::verifier {
namespace {

using Floats = std::vector<float>;

class VectorKernelsTest : public testing::TestWithParam<InstructionSet> {
 protected:
  const VectorKernels& kernels() const { return VectorKernelsFor(GetParam()); }

  Floats Random(std::size_t n, float size = 3) {
    std::normal_distribution<float> normal(0, size);
    Floats x(n);
    for (float& v : x) v = normal(random_);
    return x;
  }

  // Floats that half precision holds exactly, and the same numbers in half precision.
  std::pair<Floats, std::vector<std::uint16_t>> RandomHalves(std::size_t n) {
    Floats floats = Random(n);
    std::vector<std::uint16_t> halves(n);
    for (std::size_t i = 0; i < n; ++i) {
      halves[i] = FloatToHalf(floats[i]);
      floats[i] = HalfToFloat(halves[i]);
    }
    return {floats, halves};
  }

  std::mt19937 random_{17};
};

INSTANTIATE_TEST_SUITE_P(Sets, VectorKernelsTest, testing::ValuesIn(SupportedInstructionSets()),
                         [](const auto& set) {
                           std::string name(Name(set.param));
                           std::erase(name, '-');
                           return name;
                         });

void ExpectSameBits(const Floats& got, const Floats& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(got[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << "number " << i << " of " << got.size() << ": got " << got[i] << ", expected "
        << expected[i];
  }
}

constexpr std::size_t kSizes[] = {1, 2, 6, 15, 16, 17, 31, 32, 33, 64, 100, 257, 1920};

TEST_P(VectorKernelsTest, RmsNormAddsSquaresToSixteenLanes) {
  for (const std::size_t n : kSizes) {
    const Floats x = Random(n);
    const Floats weight = Random(n);
    float lanes[16] = {};
    for (std::size_t i = 0; i < n; ++i) lanes[i % 16] += x[i] * x[i];
    for (std::size_t half = 8; half > 0; half /= 2) {
      for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    const float scale = 1.0F / std::sqrt(lanes[0] / static_cast<float>(n) + 1e-5F);
    Floats expected(n);
    for (std::size_t i = 0; i < n; ++i) expected[i] = x[i] * scale * weight[i];
    Floats got(n);
    kernels().rms_norm(x.data(), weight.data(), n, 1e-5F, got.data());
    ExpectSameBits(got, expected);
  }
}

TEST_P(VectorKernelsTest, SiluEqualsScalarCodeAndMayOverwriteEitherInput) {
  for (const std::size_t n : kSizes) {
    Floats gate = Random(n, 30);
    gate[0] = n % 2 == 0 ? 1000.0F : -1000.0F;
    const Floats up = Random(n);
    Floats expected(n);
    for (std::size_t i = 0; i < n; ++i) {
      expected[i] = gate[i] / (1.0F + Exp(-gate[i])) * up[i];
    }
    Floats in_up = up;
    kernels().silu_times(gate.data(), in_up.data(), n, in_up.data());
    ExpectSameBits(in_up, expected);
    kernels().silu_times(gate.data(), up.data(), n, gate.data());
    ExpectSameBits(gate, expected);
  }
}

TEST_P(VectorKernelsTest, SiluKeepsNaN) {
  Floats x = {1, std::numeric_limits<float>::quiet_NaN(), 2};
  const Floats ones(3, 1.0F);
  kernels().silu_times(x.data(), ones.data(), 3, x.data());
  EXPECT_FALSE(std::isnan(x[0]));
  EXPECT_TRUE(std::isnan(x[1]));
}

TEST_P(VectorKernelsTest, GeluEqualsScalarCodeAndIsNearTheTanhForm) {
  for (const std::size_t n : kSizes) {
    Floats gate = Random(n, 3);
    gate[0] = n % 2 == 0 ? 1000.0F : -1000.0F;
    const Floats up = Random(n);
    Floats expected(n);
    for (std::size_t i = 0; i < n; ++i) {
      const float x = gate[i];
      const float minus_2t = x * (-1.59576912F + -0.0713548163F * (x * x));
      expected[i] = x / (1.0F + Exp(minus_2t)) * up[i];
      const double d = x;
      const double tanh_form =
          d / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (d + 0.044715 * d * d * d))) * up[i];
      EXPECT_NEAR(expected[i], tanh_form, 2e-6 * (1 + std::abs(tanh_form))) << x;
    }
    kernels().gelu_times(gate.data(), up.data(), n, gate.data());
    ExpectSameBits(gate, expected);
  }
}

TEST_P(VectorKernelsTest, SoftCapEqualsScalarCodeAndIsNearTanh) {
  constexpr float kCap = 30;
  for (const std::size_t n : kSizes) {
    Floats x = Random(n, 60);
    x[0] = n % 2 == 0 ? 1e6F : -std::numeric_limits<float>::infinity();
    Floats expected(n);
    for (std::size_t i = 0; i < n; ++i) {
      expected[i] = kCap * (2.0F / (1.0F + Exp(x[i] * (-2.0F / kCap))) - 1.0F);
      EXPECT_NEAR(expected[i], kCap * std::tanh(double{x[i]} / kCap), 1e-5) << x[i];
    }
    kernels().soft_cap(kCap, n, x.data());
    ExpectSameBits(x, expected);
  }
  Floats nan = {1, std::numeric_limits<float>::quiet_NaN()};
  kernels().soft_cap(kCap, 2, nan.data());
  EXPECT_TRUE(std::isnan(nan[1]));
}

TEST_P(VectorKernelsTest, RotatesPairsOfNeighboursAndOfHalves) {
  for (const std::size_t n : kSizes) {
    if (n % 2 != 0) continue;
    const std::size_t half = n / 2;
    const Floats x = Random(n);
    const Floats angles = Random(half);
    Floats neighbour_cosines(n), neighbour_sines(n), neighbours(n);
    Floats half_cosines(n), half_sines(n), halves(n);
    for (std::size_t i = 0; i < half; ++i) {
      const float c = std::cos(angles[i]);
      const float s = std::sin(angles[i]);
      neighbour_cosines[2 * i] = neighbour_cosines[2 * i + 1] = c;
      neighbour_sines[2 * i] = -s;
      neighbour_sines[2 * i + 1] = s;
      neighbours[2 * i] = x[2 * i] * c - x[2 * i + 1] * s;
      neighbours[2 * i + 1] = x[2 * i] * s + x[2 * i + 1] * c;
      half_cosines[i] = half_cosines[i + half] = c;
      half_sines[i] = -s;
      half_sines[i + half] = s;
      halves[i] = x[i] * c - x[i + half] * s;
      halves[i + half] = x[i] * s + x[i + half] * c;
    }
    Floats got = x;
    kernels().turn_pairs(neighbour_cosines.data(), neighbour_sines.data(), n, got.data());
    ExpectSameBits(got, neighbours);
    got = x;
    kernels().turn_halves(half_cosines.data(), half_sines.data(), n, got.data());
    ExpectSameBits(got, halves);
  }
}

TEST_P(VectorKernelsTest, NextAboveFindsTheNextLargerNumberOrNaN) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const std::size_t n : kSizes) {
    Floats x = Random(n);
    if (n > 40) x[n / 2] = kNan;
    for (const float bound : {-100.0F, -1.0F, 2.5F, 100.0F, x[0], kNan}) {
      for (std::size_t begin = 0; begin <= n; begin += 1 + n / 7) {
        std::size_t expected = begin;
        while (expected < n && x[expected] <= bound) ++expected;
        ASSERT_EQ(kernels().next_above(x.data(), begin, n, bound), expected);
      }
    }
  }
}

TEST_P(VectorKernelsTest, WeightsAndLargestEqualScalarCode) {
  for (const std::size_t n : kSizes) {
    std::vector<double> x(n);
    for (double& v : x) v = Random(1, 200)[0];
    if (n > 3) x[3] = -std::numeric_limits<double>::infinity();
    const double highest = *std::max_element(x.begin(), x.end());
    ASSERT_EQ(kernels().largest(x.data(), n), highest);
    std::vector<double> got(n);
    kernels().weights(x.data(), n, highest, double{0.6F}, got.data());
    for (std::size_t i = 0; i < n; ++i) {
      ASSERT_EQ(std::bit_cast<std::uint64_t>(got[i]),
                std::bit_cast<std::uint64_t>(ExpNonPositive((x[i] - highest) / double{0.6F})));
    }
  }
}

TEST_P(VectorKernelsTest, EveryHalfConvertsAsInScalarCode) {
  std::vector<std::uint16_t> halves(65536 + 5);
  Floats expected(halves.size());
  for (std::size_t i = 0; i < halves.size(); ++i) {
    halves[i] = static_cast<std::uint16_t>(i);
    expected[i] = HalfToFloat(halves[i]);
  }
  Floats floats(halves.size());
  kernels().from_half(halves.data(), halves.size(), floats.data());
  ExpectSameBits(floats, expected);
  std::vector<std::uint16_t> back(halves.size());
  kernels().to_half(floats.data(), floats.size(), back.data());
  for (std::size_t i = 0; i < halves.size(); ++i) {
    ASSERT_EQ(back[i], std::isnan(floats[i]) ? halves[i] | 0x0200 : halves[i]) << i;
  }
}

TEST_P(VectorKernelsTest, FloatsRoundToHalvesAsInScalarCode) {
  Floats floats;
  for (std::uint32_t bits = 0; bits < 0xffff0000U; bits += 0x2a37U) {  // every exponent, both signs
    floats.push_back(std::bit_cast<float>(bits));
  }
  for (std::uint16_t half = 0; half < 0x7bff; ++half) {  // ties and their neighbours
    const float middle =
        (HalfToFloat(half) + HalfToFloat(static_cast<std::uint16_t>(half + 1))) / 2;
    for (const float x : {middle, std::nextafter(middle, 0.0F), std::nextafter(middle, 1e9F)}) {
      floats.push_back(x);
      floats.push_back(-x);
    }
  }
  std::vector<std::uint16_t> got(floats.size());
  kernels().to_half(floats.data(), floats.size(), got.data());
  for (std::size_t i = 0; i < floats.size(); ++i) {
    ASSERT_EQ(got[i], FloatToHalf(floats[i])) << std::bit_cast<std::uint32_t>(floats[i]);
  }
}

TEST_P(VectorKernelsTest, ScoresAddDimensionsInOrder) {
  constexpr std::size_t kLength = 20;
  constexpr std::size_t kStride = kKvBlockRows + 16;
  const auto [keys, half_keys] = RandomHalves(kLength * kKvBlockRows);
  const KvAhead ahead = {reinterpret_cast<const std::byte*>(keys.data()), 256, 4};
  for (std::size_t queries = 1; queries <= 13; ++queries) {
    const Floats query = Random(queries * kLength);
    Floats expected(queries * kStride);
    for (std::size_t q = 0; q < queries; ++q) {
      for (std::size_t p = 0; p < kKvBlockRows; ++p) {
        float& score = expected[q * kStride + p];
        for (std::size_t d = 0; d < kLength; ++d) {
          score = std::fma(query[q * kLength + d], keys[d * kKvBlockRows + p], score);
        }
      }
    }
    Floats got(queries * kStride);
    kernels().scores(query.data(), queries, kLength, keys.data(), ahead, got.data(), kStride);
    ExpectSameBits(got, expected);
    std::fill(got.begin(), got.end(), 0.0F);
    kernels().scores_half(query.data(), queries, kLength, half_keys.data(), {}, got.data(),
                          kStride);
    ExpectSameBits(got, expected);
  }
}

TEST_P(VectorKernelsTest, AttendFollowsItsFormulas) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  using State = AttentionState;
  for (const std::size_t vectors : {1U, 4U, 5U}) {
    const std::size_t stride = State::Floats(vectors);
    const std::size_t length = 16 * vectors;
    const auto [rows, half_rows] = RandomHalves(kKvBlockRows * length);
    std::vector<const float*> values(kKvBlockRows);
    for (std::size_t p = 0; p < kKvBlockRows; ++p) values[p] = rows.data() + p * length;
    for (const std::size_t queries : {1U, 3U, 6U, 17U, 33U}) {
      for (const std::size_t count : {1U, 15U, 16U, 17U, 63U, 64U}) {
        Floats scores = Random(queries * kKvBlockRows);
        Floats states = Random(queries * stride);
        for (std::size_t q = 0; q < queries; ++q) {
          float* const state = states.data() + q * stride;
          if (q % 3 == 0) state[State::kMaximum] = -kInfinity;  // an empty state
          if (q % 3 == 1) state[State::kMaximum] = 100;         // the block does not raise it
          if (q % 5 == 4) scores[q * kKvBlockRows] = -kInfinity;
        }
        Floats expected = states;
        for (std::size_t q = 0; q < queries; ++q) {
          float* const state = expected.data() + q * stride;
          const float* const s = scores.data() + q * kKvBlockRows;
          const float before = state[State::kMaximum];
          const float m = std::max(before, *std::max_element(s, s + count));
          const float f = m == before ? 1.0F : Exp(before - m);
          state[State::kMaximum] = m;
          state[State::kFactor] = f;
          for (std::size_t l = 0; l < 16; ++l) state[State::kSums + l] *= f;
          for (std::size_t d = 0; d < length; ++d) state[State::kOut + d] *= f;
          for (std::size_t p = 0; p < count; ++p) {
            const float w = Exp(s[p] - m);
            state[State::kSums + p % 16] += w;
            for (std::size_t d = 0; d < length; ++d) {
              state[State::kOut + d] = std::fma(w, values[p][d], state[State::kOut + d]);
            }
          }
        }
        Floats half_scores = scores;
        Floats half_states = states;
        kernels().attend(scores.data(), kKvBlockRows, queries, values.data(), count, vectors, {},
                         states.data(), stride);
        ExpectSameBits(states, expected);
        if (count < kKvBlockRows) continue;
        kernels().attend_half(half_scores.data(), kKvBlockRows, queries, half_rows.data(), vectors,
                              {}, half_states.data(), stride);
        ExpectSameBits(half_states, expected);
      }
    }
  }
}

}  // namespace
}  // namespace recycling::verifier
