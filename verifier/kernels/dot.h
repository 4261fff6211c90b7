// Sums of products over columns, added in a fixed order. The exact kernel uses them. Because of the
// order, the bits of a row do not depend on how many rows or outputs are computed together.
#ifndef RECYCLING_VERIFIER_KERNELS_DOT_H_
#define RECYCLING_VERIFIER_KERNELS_DOT_H_

#include <cstddef>
#include <cstring>

namespace recycling::verifier {

// Four floats. GCC and clang compile each operation to instructions of the target machine.
using Float4 = float __attribute__((vector_size(16)));

inline Float4 LoadFloat4(const float* at) {
  Float4 v;
  std::memcpy(&v, at, sizeof(v));
  return v;
}

// For each i in [0, kOutputs): out[i * out_stride] = sum over c in [0, n) of w[i * w_stride + c]
// x[c]. Column c is added to lane c mod 8, in ascending order of columns. At the end lane l + 4 is
// added to lane l, and the result is (0 + 2) + (1 + 3). kOutputs has no effect on the bits; several
// outputs share the loads of x.
template <int kOutputs>
inline void Dots(const float* w, std::size_t w_stride, const float* x, std::size_t n, float* out,
                 std::size_t out_stride) {
  Float4 low[kOutputs] = {};
  Float4 high[kOutputs] = {};
  std::size_t c = 0;
  for (; c + 8 <= n; c += 8) {
    const Float4 x_low = LoadFloat4(x + c);
    const Float4 x_high = LoadFloat4(x + c + 4);
    for (int i = 0; i < kOutputs; ++i) {
      const float* wi = w + static_cast<std::size_t>(i) * w_stride + c;
      low[i] += LoadFloat4(wi) * x_low;
      high[i] += LoadFloat4(wi + 4) * x_high;
    }
  }
  for (int i = 0; i < kOutputs; ++i) {
    if (c < n) {
      float w_tail[8] = {};
      float x_tail[8] = {};
      std::memcpy(w_tail, w + static_cast<std::size_t>(i) * w_stride + c, (n - c) * sizeof(float));
      std::memcpy(x_tail, x + c, (n - c) * sizeof(float));
      low[i] += LoadFloat4(w_tail) * LoadFloat4(x_tail);
      high[i] += LoadFloat4(w_tail + 4) * LoadFloat4(x_tail + 4);
    }
    const Float4 sum = low[i] + high[i];
    out[static_cast<std::size_t>(i) * out_stride] = (sum[0] + sum[2]) + (sum[1] + sum[3]);
  }
}

inline float Dot(const float* a, const float* b, std::size_t n) {
  float sum = 0;
  Dots<1>(a, 0, b, n, &sum, 0);
  return sum;
}

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_DOT_H_
