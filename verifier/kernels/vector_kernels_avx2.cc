#include "verifier/kernels/vector_kernels_build.h"

namespace recycling::verifier {

constinit const VectorKernels kAvx2VectorKernels = kThisBuild;

}  // namespace recycling::verifier
