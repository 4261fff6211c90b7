#include "verifier/kernels/matmul_kernel.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "verifier/kernels/exact_kernel.h"
#include "verifier/kernels/panel_kernels.h"

namespace recycling::verifier {

absl::StatusOr<Arithmetic> ArithmeticFromName(std::string_view name) {
  if (name == "fast") return Arithmetic::kFast;
  if (name == "exact") return Arithmetic::kExact;
  return absl::InvalidArgumentError(
      absl::StrCat("arithmetic: got \"", std::string(name), "\", expected fast or exact"));
}

const MatMulKernel& MatMulKernel::For(InstructionSet set, Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::kExact) return ExactKernel();
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

std::vector<const MatMulKernel*> MatMulKernel::Candidates(InstructionSet best,
                                                          Arithmetic arithmetic) {
  std::vector<const MatMulKernel*> candidates = {&For(best, arithmetic)};
  if (arithmetic == Arithmetic::kExact) return candidates;
  switch (best) {
    case InstructionSet::kPortable:
    case InstructionSet::kAvx2:
    case InstructionSet::kAvx512Vnni:
      break;
    case InstructionSet::kAvx512:
      candidates.push_back(&For(InstructionSet::kAvx2));
      break;
    case InstructionSet::kAmx:
      candidates.push_back(&For(InstructionSet::kAvx512Vnni));
      break;
  }
  return candidates;
}

}  // namespace recycling::verifier
