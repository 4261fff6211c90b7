// The kernels that a benchmark can choose.
#ifndef RECYCLING_TESTS_BENCH_KERNEL_CHOICE_H_
#define RECYCLING_TESTS_BENCH_KERNEL_CHOICE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "verifier/forward/transformer.h"
#include "verifier/kernels/cpu.h"

namespace recycling::bench {

// Names of the kernels that run on this machine. The first name, kExact, stands for the exact
// arithmetic. The second one is the portable kernel.
inline constexpr char kExact[] = "exact";
inline std::vector<std::string> Kernels() {
  std::vector<std::string> names = {kExact};
  for (const auto set : verifier::SupportedInstructionSets()) names.emplace_back(Name(set));
  return names;
}

// Sets the kernel of `options` by its name. An empty name chooses the best one of this machine.
// InvalidArgument if this machine does not support the kernel.
inline absl::Status ChooseKernel(const std::string& name, verifier::TransformerOptions& options) {
  const bool exact = name == kExact;
  if (exact) options.arithmetic = verifier::Arithmetic::kExact;
  ASSIGN_OR_RETURN(options.instruction_set,
                   verifier::ChooseInstructionSet(name.empty() || exact ? "auto" : name));
  return absl::OkStatus();
}

}  // namespace recycling::bench

#endif  // RECYCLING_TESTS_BENCH_KERNEL_CHOICE_H_
