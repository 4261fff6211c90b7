#include "tests/verifier/kernels/software_amx.h"

#if defined(__x86_64__)

#include <immintrin.h>

// Included before the pragma, as in verifier/kernels/amx.cc.
#include <algorithm>
#include <cstring>
#include <string_view>

#include "verifier/kernels/amx_layout.h"

#if defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif

#include "tests/verifier/kernels/software_tiles.h"
#include "verifier/kernels/amx_kernel.h"
#include "verifier/kernels/amx_steps_avx512.h"

namespace recycling::verifier {

const MatMulKernel& Avx512AmxKernel() {
  static const AmxKernel<SoftwareTiles, Avx512Steps> kernel;
  return kernel;
}

}  // namespace recycling::verifier

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
