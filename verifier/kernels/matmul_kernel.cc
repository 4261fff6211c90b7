#include "verifier/kernels/matmul_kernel.h"

#include "verifier/kernels/panel_kernels.h"
#include "verifier/kernels/portable_kernel.h"

namespace recycling::verifier {

const MatMulKernel& MatMulKernel::For(InstructionSet set) {
  switch (set) {
    case InstructionSet::kPortable:
      return PortableKernel();
#if defined(__x86_64__)
    case InstructionSet::kAvx2:
      return Avx2Kernel();
    case InstructionSet::kAvx512:
      return Avx512Kernel();
    case InstructionSet::kAvx512Vnni:
      return Avx512VnniKernel();
    case InstructionSet::kAmx:
      return AmxTileKernel();
#endif
    default:
      return PortableKernel();
  }
}

}  // namespace recycling::verifier
