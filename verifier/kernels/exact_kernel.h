// The reference kernel. The tests compare the other kernels with it. It reads the weights in the
// mapped file, unpacks them to floats and adds the products in the order of dot.h. It uses only the
// compiler's baseline instructions.
#ifndef RECYCLING_VERIFIER_KERNELS_EXACT_KERNEL_H_
#define RECYCLING_VERIFIER_KERNELS_EXACT_KERNEL_H_

#include "verifier/kernels/matmul_kernel.h"

namespace recycling::verifier {

// The kernel lives as long as the program.
const MatMulKernel& ExactKernel();

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_EXACT_KERNEL_H_
