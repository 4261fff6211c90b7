// The instruction sets that the kernels may use on this machine.
#ifndef RECYCLING_VERIFIER_KERNELS_CPU_H_
#define RECYCLING_VERIFIER_KERNELS_CPU_H_

#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace recycling::verifier {

// Each level includes the ones before it.
enum class InstructionSet {
  kPortable,    // the compiler's baseline
  kAvx2,        // AVX2, FMA, F16C
  kAvx512,      // AVX-512 F, BW, DQ, VL
  kAvx512Vnni,  // AVX-512 VNNI
  kAmx,         // AMX tiles with int8 and bf16
};

// Returns true if the processor has the instructions and the operating system saves their
// registers. AMX also needs a permission of the operating system, which the first call requests.
// Threads: any.
bool Supports(InstructionSet set);

// The highest supported level.
InstructionSet BestInstructionSet();

// Every supported level, lowest first. Tests run on all of them.
std::vector<InstructionSet> SupportedInstructionSets();

// True if a product of few rows should prefetch weights that it reads as one ascending stream.
// False on processors of AMD: they read such a stream faster without prefetches.
bool PrefetchesFewRows();

// The names are "portable", "avx2", "avx512", "avx512-vnni" and "amx".
std::string_view Name(InstructionSet set);

// The level with that name, even if this machine does not support it. Nullopt for an unknown name.
std::optional<InstructionSet> InstructionSetFromName(std::string_view name);

// The level with that name; "auto" is the highest supported level. Returns InvalidArgument for an
// unknown name and FailedPrecondition for a level that this machine does not support.
absl::StatusOr<InstructionSet> ChooseInstructionSet(std::string_view name);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_CPU_H_
