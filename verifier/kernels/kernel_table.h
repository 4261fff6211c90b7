#ifndef RECYCLING_VERIFIER_KERNELS_KERNEL_TABLE_H_
#define RECYCLING_VERIFIER_KERNELS_KERNEL_TABLE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace recycling::verifier {

// Which one of a list of kernels multiplies an input of so many rows. The kernels give the same
// bits, so the table changes the speed and nothing else.
class KernelTable {
 public:
  // Kernel 0 for every number of rows.
  KernelTable() = default;

  // kernels[r - 1] is the index of the kernel for r rows. More rows than that use the last one.
  explicit KernelTable(std::vector<std::uint8_t> kernels) : kernels_(std::move(kernels)) {}

  // Requires rows >= 1.
  std::size_t KernelFor(std::size_t rows) const {
    return kernels_.empty() ? 0 : kernels_[std::min(rows, kernels_.size()) - 1];
  }

  // The largest index in the table.
  std::size_t last_kernel() const {
    return kernels_.empty() ? 0 : *std::max_element(kernels_.begin(), kernels_.end());
  }

 private:
  std::vector<std::uint8_t> kernels_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_KERNEL_TABLE_H_
