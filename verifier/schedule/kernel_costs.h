#ifndef RECYCLING_VERIFIER_SCHEDULE_KERNEL_COSTS_H_
#define RECYCLING_VERIFIER_SCHEDULE_KERNEL_COSTS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "verifier/kernels/kernel_table.h"
#include "verifier/schedule/pass_costs.h"

namespace recycling::verifier {

// Compares what passes cost with each of several kernels, and chooses the kernel for each number of
// rows. Says which pass to measure next. Reads no clock. Not thread-safe.
//
// The choice: kernel 0, unless another kernel takes less than kClearlyLess of its time. Between
// measured sizes and beyond them the costs are those of PassCosts::At. Until ready() there is no
// choice, and kernel 0 counts.
class KernelCosts {
 public:
  static constexpr double kClearlyLess = 0.97;
  // Of a few passes the fastest one counts, because other programs can make a pass slower but not
  // faster. Before ready() there are two of one row, of which the first warms up what all passes
  // use, one of 16 rows and one of 4 rows.
  static constexpr int kPasses = 3;

  struct Measurement {
    int rows = 0;
    std::size_t kernel = 0;
  };
  // The kernel that passes of so many rows use.
  struct Use {
    int rows = 0;
    std::string kernel;
    bool estimated = false;  // not every kernel was measured with so many rows
  };

  // `kernels`: names, at least one. `most_rows`: of the largest pass, at least 1.
  KernelCosts(std::vector<std::string> kernels, int most_rows);

  // True if every kernel was measured with 1, 4 and 16 rows, or most_rows if that is less.
  bool ready() const { return measured_ >= first_; }
  // True if nothing is left to measure.
  bool done() const { return measured_ == plan_.size(); }
  // The pass to measure next. Requires !done().
  Measurement next() const { return plan_[measured_]; }
  // The duration of the pass of next(). Requires !done().
  void Add(absl::Duration took);

  // The choice.
  KernelTable table() const;
  // What passes cost with the choice: the measured sizes.
  PassCosts costs() const;
  // The choice at every size that is measured sooner or later, rows ascending.
  std::vector<Use> uses() const;
  // For people: "portable", or "avx512-vnni to 6 rows, amx to 257 rows". Adds "(estimated)" to a
  // kernel if one of its uses is estimated.
  std::string text() const;
  // For people: all that was measured, "amx 1:72000 16:93000; avx512-vnni 1:41000": kernel, rows
  // and microseconds.
  std::string measured_text() const;

 private:
  std::size_t Choose(int rows) const;
  bool Measured(std::size_t kernel, int rows) const;

  std::vector<std::string> kernels_;
  int most_rows_;
  std::vector<int> sizes_;         // ascending
  std::vector<Measurement> plan_;  // in order
  std::size_t first_ = 0;          // those of `plan_` before ready()
  std::size_t measured_ = 0;       // of `plan_`
  // [kernels][sizes_]; infinite: not measured
  std::vector<std::vector<absl::Duration>> fastest_;
  std::vector<PassCosts> costs_;  // [kernels]
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_KERNEL_COSTS_H_
