#ifndef RECYCLING_VERIFIER_ROW_COSTS_H_
#define RECYCLING_VERIFIER_ROW_COSTS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"

namespace recycling::verifier {

struct RowCost {
  std::uint32_t rows = 0;
  std::uint32_t micros = 0;  // of one pass
};

// Running mean of what a pass costs by its number of rows, kept apart for 1, 2-3, 4-7, 8-15, ...
// rows. A new pass weighs at least 1/32 of the mean, so that the mean follows the machine. Not
// thread-safe.
class RowCosts {
 public:
  // Requires rows >= 1.
  void Record(int rows, absl::Duration duration);

  // One entry for each range seen so far, with its mean rows and mean duration; rows ascending.
  std::vector<RowCost> Snapshot() const;

 private:
  struct Range {
    std::uint32_t passes = 0;  // counted to 32
    double rows = 0;
    double micros = 0;
  };
  std::array<Range, 16> ranges_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_ROW_COSTS_H_
