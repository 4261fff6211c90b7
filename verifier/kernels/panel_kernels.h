// The kernels of the fast arithmetic, one for each instruction set. They pack weights in the same
// way and give the same bits (packed_format.h, panel_layout.h).
#ifndef RECYCLING_VERIFIER_KERNELS_PANEL_KERNELS_H_
#define RECYCLING_VERIFIER_KERNELS_PANEL_KERNELS_H_

#include "verifier/kernels/matmul_kernel.h"

namespace recycling::verifier {

// Call a function only if the processor has the instructions of its kernel. The kernels live as
// long as the program.
const MatMulKernel& PortableKernel();
#if defined(__x86_64__)
const MatMulKernel& Avx2Kernel();
const MatMulKernel& Avx512Kernel();
const MatMulKernel& Avx512VnniKernel();
const MatMulKernel& AmxTileKernel();
#endif

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_PANEL_KERNELS_H_
