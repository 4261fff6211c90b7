// Which kernels a benchmark can ask for.
#ifndef RECYCLING_TESTS_BENCH_KERNEL_CHOICE_H_
#define RECYCLING_TESTS_BENCH_KERNEL_CHOICE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/status_macros.h"
#include "verifier/forward/transformer.h"
#include "verifier/kernels/cpu.h"

namespace recycling::bench {

// The kernels that run on this machine, the portable one first.
inline std::vector<std::string> Kernels() {
  std::vector<std::string> names;
  for (const auto set : verifier::SupportedInstructionSets()) names.emplace_back(Name(set));
  return names;
}

// Sets the kernel of `options`; an empty name leaves the machine's best. InvalidArgument for one
// that this machine does not have.
inline absl::Status ChooseKernel(const std::string& name, verifier::TransformerOptions& options) {
  ASSIGN_OR_RETURN(options.instruction_set,
                   verifier::ChooseInstructionSet(name.empty() ? "auto" : name));
  return absl::OkStatus();
}

}  // namespace recycling::bench

#endif  // RECYCLING_TESTS_BENCH_KERNEL_CHOICE_H_
