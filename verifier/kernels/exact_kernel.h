// The kernel that others are compared with. It reads weights in the mapped file, unpacks them to
// floats and sums in the order of dot.h, with the compiler's baseline instructions.
#ifndef RECYCLING_VERIFIER_KERNELS_EXACT_KERNEL_H_
#define RECYCLING_VERIFIER_KERNELS_EXACT_KERNEL_H_

#include "verifier/kernels/matmul_kernel.h"

namespace recycling::verifier {

// Lives as long as the program.
const MatMulKernel& ExactKernel();

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_EXACT_KERNEL_H_
