#include "verifier/kernels/vector_kernels.h"

#include "verifier/kernels/vector_kernels_build.h"

namespace recycling::verifier {

constinit const VectorKernels kPortableVectorKernels = kThisBuild;

const VectorKernels& VectorKernelsFor(InstructionSet set) {
#if defined(__x86_64__)
  if (set >= InstructionSet::kAvx512) return kAvx512VectorKernels;
  if (set >= InstructionSet::kAvx2) return kAvx2VectorKernels;
#endif
  static_cast<void>(set);
  return kPortableVectorKernels;
}

}  // namespace recycling::verifier
