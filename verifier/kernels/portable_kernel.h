// The oracle: reads weights where they are in the file, unpacks them to floats and sums in the one
// order of dot.h, with the compiler's baseline instructions.
#ifndef RECYCLING_VERIFIER_KERNELS_PORTABLE_KERNEL_H_
#define RECYCLING_VERIFIER_KERNELS_PORTABLE_KERNEL_H_

#include "verifier/kernels/matmul_kernel.h"

namespace recycling::verifier {

// Lives forever.
const MatMulKernel& PortableKernel();

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_PORTABLE_KERNEL_H_
