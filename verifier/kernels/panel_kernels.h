// The kernels over packed panels (panel_layout.h, amx_layout.h), one for each instruction set.
#ifndef RECYCLING_VERIFIER_KERNELS_PANEL_KERNELS_H_
#define RECYCLING_VERIFIER_KERNELS_PANEL_KERNELS_H_

#include "verifier/kernels/matmul_kernel.h"

namespace recycling::verifier {

// Use one only if the processor has its instructions. They live as long as the program.
#if defined(__x86_64__)
const MatMulKernel& Avx2Kernel();
const MatMulKernel& Avx512Kernel();
const MatMulKernel& Avx512VnniKernel();
const MatMulKernel& AmxTileKernel();
#endif

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_PANEL_KERNELS_H_
