// The AMX kernel with its tiles in memory, for machines without AMX. It is slow and gives the same
// bits.
#ifndef RECYCLING_TESTS_VERIFIER_KERNELS_SOFTWARE_AMX_H_
#define RECYCLING_TESTS_VERIFIER_KERNELS_SOFTWARE_AMX_H_

#include "verifier/kernels/matmul_kernel.h"

namespace recycling::verifier {

// The kernel in plain C++, for any machine.
const MatMulKernel& PlainAmxKernel();

#if defined(__x86_64__)
// The AVX-512 code of the real kernel with tiles in memory. Needs AVX-512.
const MatMulKernel& Avx512AmxKernel();
#endif

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_KERNELS_SOFTWARE_AMX_H_
