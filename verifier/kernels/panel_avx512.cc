#include "verifier/kernels/panel_kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "verifier/kernels/panel_layout.h"
// All headers that the loops need come before the pragma, so that code shared with other sources is
// not compiled for this instruction set.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#if defined(__clang__)
#pragma clang attribute push(                                                               \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
#endif

#include "verifier/kernels/isa_avx512.h"
#include "verifier/kernels/panel_kernel.h"

namespace recycling::verifier {
const MatMulKernel& Avx512Kernel() {
  static const PanelKernel<Avx512<false>> kernel;
  return kernel;
}

const MatMulKernel& Avx512VnniKernel() {
  static const PanelKernel<Avx512<true>> kernel;
  return kernel;
}

}  // namespace recycling::verifier

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
