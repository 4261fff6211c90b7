// Elementary functions in plain IEEE arithmetic. They give the same bits on every machine and with
// every compiler; the functions of the C library do not. They need -ffp-contract=off. Functions
// that sources for other instruction sets use are always inlined.
#ifndef RECYCLING_VERIFIER_KERNELS_FLOAT_MATH_H_
#define RECYCLING_VERIFIER_KERNELS_FLOAT_MATH_H_

#include <bit>
#include <cstdint>

namespace recycling::verifier {

// Converts half precision to single precision. The result is exact, also for infinities. A NaN
// becomes quiet and keeps its other bits. The bits are those of the processor's own conversion.
[[gnu::always_inline]] inline float HalfToFloat(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16;
  const std::uint32_t magnitude = (half & 0x7fffU) << 13;
  // Changes the bias of the exponent from 15 to 127. The multiplication also handles subnormals.
  const float value = std::bit_cast<float>(magnitude) * 0x1p112F;
  const std::uint32_t special = (half & 0x7c00U) == 0x7c00U ? 0x7f800000U : 0U;
  const std::uint32_t quiet = (half & 0x7fffU) > 0x7c00U ? 0x00400000U : 0U;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | special | quiet | sign);
}

// Converts single precision to half precision, to the nearest number, ties to even. A number that
// is too large becomes infinite. A NaN becomes quiet and keeps its upper bits. The bits are those
// of the processor's own conversion.
[[gnu::always_inline]] inline std::uint16_t FloatToHalf(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  std::uint32_t half = 0;
  if (magnitude >= 0x47800000U) {  // 2^16 and above
    half = magnitude > 0x7f800000U ? 0x7e00U | ((magnitude >> 13) & 0x1ffU) : 0x7c00U;
  } else if (magnitude < 0x38800000U) {  // below 2^-14: subnormal, rounded by the addition
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000U;
  } else {
    half = (magnitude - (112U << 23) + 0xfffU + ((magnitude >> 13) & 1U)) >> 13;
  }
  return static_cast<std::uint16_t>(half | sign);
}

inline float Bfloat16ToFloat(std::uint16_t value) {
  return std::bit_cast<float>(std::uint32_t{value} << 16);
}

// e^x within 2 units in the last place for x in [-87, 88]. A smaller x gives e^-87 and a larger x
// gives e^88. NaN gives NaN.
[[gnu::always_inline]] inline float Exp(float x) {
  x = x < -87.0F ? -87.0F : x;
  x = x > 88.0F ? 88.0F : x;
  // x = n ln 2 + r with |r| <= ln 2 / 2; adding 1.5 * 2^23 leaves n in the low bits.
  const float shifted = x * 1.44269504F + 12582912.0F;
  const float n = shifted - 12582912.0F;
  const float r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  // Taylor's series of e^r; the first term left out is below 2^-26.
  float p = 1.0F / 5040;
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  const std::uint32_t scale = (std::bit_cast<std::uint32_t>(shifted) << 23) + 0x3f800000U;
  return p * std::bit_cast<float>(scale);
}

// e^x for x <= 0 within 2 units in the last place. The result is 0 for x below -708 and exactly 1
// for x = 0.
[[gnu::always_inline]] inline double ExpNonPositive(double x) {
  // The result is selected at the end, because the compiler does not vectorize loops with a branch.
  const bool counts = x >= -708.0;
  x = counts ? x : 0.0;
  // x = n ln 2 + r with |r| <= ln 2 / 2, as above; n times the first part of ln 2 is exact.
  const double shifted = x * 1.4426950408889634 + 6755399441055744.0;
  const double n = shifted - 6755399441055744.0;
  const double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  // Taylor's series of e^r; the first term left out is below 2^-57.
  double p = 1.0 / 6227020800;
  p = p * r + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;
  const std::uint64_t scale = (std::bit_cast<std::uint64_t>(shifted) << 52) + 0x3ff0000000000000U;
  return counts ? p * std::bit_cast<double>(scale) : 0.0;
}

struct SinCos {
  double sin;
  double cos;
};

// Sine and cosine of x, within 1e-9 for |x| < 2^24.
SinCos SineCosine(double x);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_FLOAT_MATH_H_
