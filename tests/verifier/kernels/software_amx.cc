#include "tests/verifier/kernels/software_amx.h"

#include "tests/verifier/kernels/software_tiles.h"
#include "verifier/kernels/amx_kernel.h"
#include "verifier/kernels/isa_portable.h"

namespace recycling::verifier {

const MatMulKernel& PlainAmxKernel() {
  static const AmxKernel<SoftwareTiles<4>, Portable> kernel;
  return kernel;
}

}  // namespace recycling::verifier
