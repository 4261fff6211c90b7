// The order in which the portable kernel sums products over columns. With it the bits of a row do
// not depend on how many rows or outputs are computed together.
#ifndef RECYCLING_VERIFIER_KERNELS_DOT_H_
#define RECYCLING_VERIFIER_KERNELS_DOT_H_

#include <cstddef>
#include <cstring>

namespace recycling::verifier {

// Four floats. GCC and clang compile each operation to the instructions that the machine has.
using Float4 = float __attribute__((vector_size(16)));

inline Float4 LoadFloat4(const float* at) {
  Float4 v;
  std::memcpy(&v, at, sizeof(v));
  return v;
}

// out[i * out_stride] = sum over c of w[i * w_stride + c] x[c], i in [0, kOutputs), c in [0, n).
// Column c is added to lane c mod 8, columns ascending; at the end lanes l and l + 4 are added,
// then (0 + 2) + (1 + 3). kOutputs does not change a bit; several outputs share the loads of x.
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
