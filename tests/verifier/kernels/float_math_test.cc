#include "verifier/kernels/float_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace recycling::verifier {
namespace {

TEST(HalfTest, EveryHalfConvertsToSingleAndBack) {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const float value = HalfToFloat(static_cast<std::uint16_t>(bits));
    const int exponent = static_cast<int>(bits >> 10 & 31U);
    const int mantissa = static_cast<int>(bits & 1023U);
    if (exponent == 31 && mantissa != 0) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_EQ(FloatToHalf(value), bits | 0x0200U) << bits;  // a NaN becomes a quiet NaN
      continue;
    }
    const float size = exponent == 31 ? std::numeric_limits<float>::infinity()
                       : exponent == 0
                           ? std::ldexp(static_cast<float>(mantissa), -24)
                           : std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
    ASSERT_EQ(value, bits < 32768 ? size : -size) << bits;
    ASSERT_EQ(std::signbit(value), bits >= 32768) << bits;
    ASSERT_EQ(FloatToHalf(value), bits);
  }
}

TEST(HalfTest, RoundsToNearestTiesToEven) {
  for (std::uint16_t low = 0; low < 0x7bff; ++low) {
    const auto high = static_cast<std::uint16_t>(low + 1);
    const float middle = (HalfToFloat(low) + HalfToFloat(high)) / 2;  // an exact result
    ASSERT_EQ(FloatToHalf(middle), low % 2 == 0 ? low : high) << low;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0F)), low) << low;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 1e9F)), high) << low;
    ASSERT_EQ(FloatToHalf(-middle), (low % 2 == 0 ? low : high) | 0x8000) << low;
  }
  EXPECT_EQ(FloatToHalf(65519.996F), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0F), 0x7c00);
  EXPECT_EQ(FloatToHalf(std::numeric_limits<float>::max()), 0x7c00);
}

TEST(ExpTest, IsWithinTwoUnitsInTheLastPlace) {
  for (float x = -87; x <= 88; x += 0.0371F) {
    const double expected = std::exp(double{x});
    ASSERT_NEAR(double{Exp(x)} / expected, 1, 2.4e-7) << x;
  }
  EXPECT_EQ(Exp(0), 1);
  EXPECT_EQ(Exp(-1e30F), Exp(-87));
  EXPECT_EQ(Exp(1e30F), Exp(88));
  EXPECT_TRUE(std::isnan(Exp(std::numeric_limits<float>::quiet_NaN())));
}

TEST(ExpNonPositiveTest, IsWithinTwoUnitsInTheLastPlace) {
  for (double x = 0; x >= -708; x -= 0.00731) {
    const long double expected = std::exp(static_cast<long double>(x));
    ASSERT_NEAR(static_cast<double>(ExpNonPositive(x) / expected), 1, 4.5e-16) << x;
  }
  EXPECT_EQ(ExpNonPositive(0), 1);
  EXPECT_EQ(ExpNonPositive(-1e-300), 1);
  EXPECT_GT(ExpNonPositive(-708), 0);
  EXPECT_EQ(ExpNonPositive(-709), 0);
  EXPECT_EQ(ExpNonPositive(-1e300), 0);
  EXPECT_EQ(ExpNonPositive(-std::numeric_limits<double>::infinity()), 0);
}

TEST(SineCosineTest, ErrorIsAtMostABillionthUpToTheLongestContext) {
  double x = 1e-7;
  for (int i = 0; i < 100000 && x < (1 << 24); ++i, x *= 1.0004) {
    ASSERT_NEAR(SineCosine(x).sin, std::sin(x), 1e-9) << x;
    ASSERT_NEAR(SineCosine(x).cos, std::cos(x), 1e-9) << x;
    ASSERT_NEAR(SineCosine(-x).sin, std::sin(-x), 1e-9) << x;
  }
  EXPECT_GT(x, 1e7);
  EXPECT_EQ(SineCosine(0).sin, 0);
  EXPECT_EQ(SineCosine(0).cos, 1);
}

}  // namespace
}  // namespace recycling::verifier
