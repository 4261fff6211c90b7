// Which kernels a benchmark can ask for.
#ifndef RECYCLING_TESTS_BENCH_KERNEL_CHOICE_H_
#define RECYCLING_TESTS_BENCH_KERNEL_CHOICE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "verifier/transformer.h"

namespace recycling::bench {

// The kernels that run on this machine, the portable one first.
inline std::vector<std::string> Kernels() { return {"portable"}; }

// Sets the kernel of `options`; an empty name leaves the machine's best. InvalidArgument for one
// that this machine does not have.
inline absl::Status ChooseKernel(const std::string& name, verifier::TransformerOptions&) {
  if (name.empty() || name == "portable") return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("kernel: got \"", name, "\", expected portable"));
}

}  // namespace recycling::bench

#endif  // RECYCLING_TESTS_BENCH_KERNEL_CHOICE_H_
