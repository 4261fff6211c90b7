#include "tests/verifier/kernels/software_amx.h"

#if defined(__x86_64__)

#include <immintrin.h>

// These headers come before the pragma, as in verifier/kernels/amx.cc.
#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "verifier/kernels/panel_layout.h"

#if defined(__clang__)
#pragma clang attribute push(                                                               \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c"))), \
    apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
#endif

#include "tests/verifier/kernels/software_tiles.h"
#include "verifier/kernels/amx_kernel.h"
#include "verifier/kernels/isa_avx512.h"

namespace recycling::verifier {

const MatMulKernel& Avx512AmxKernel() {
  static const AmxKernel<SoftwareTiles<8>, Avx512<false>> kernel;
  return kernel;
}

}  // namespace recycling::verifier

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
