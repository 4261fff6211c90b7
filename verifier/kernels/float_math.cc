#include "verifier/kernels/float_math.h"

namespace recycling::verifier {

SinCos SineCosine(double x) {
  // x = k pi/2 + r with |r| <= pi/4. Adding 1.5 * 2^52 leaves k in the low bits. k pi/2 is
  // subtracted in three parts; the first part of pi/2 has 33 bits, so that its product with k is
  // exact.
  const double shifted = x * 0.63661977236758134308 + 6755399441055744.0;
  const double k = shifted - 6755399441055744.0;
  const double r = ((x - k * 1.57079632673412561417e+00) - k * 6.07710050630396597660e-11) -
                   k * 2.02226624871116645580e-21;
  // Taylor's series; the first terms left out are below 1e-16.
  const double r2 = r * r;
  double s = 1.0 / 6227020800;
  s = s * r2 - 1.0 / 39916800;
  s = s * r2 + 1.0 / 362880;
  s = s * r2 - 1.0 / 5040;
  s = s * r2 + 1.0 / 120;
  s = s * r2 - 1.0 / 6;
  s = r + r * r2 * s;
  double c = -1.0 / 87178291200;
  c = c * r2 + 1.0 / 479001600;
  c = c * r2 - 1.0 / 3628800;
  c = c * r2 + 1.0 / 40320;
  c = c * r2 - 1.0 / 720;
  c = c * r2 + 1.0 / 24;
  c = (1.0 - 0.5 * r2) + r2 * r2 * c;
  switch (std::bit_cast<std::uint64_t>(shifted) & 3U) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

}  // namespace recycling::verifier
