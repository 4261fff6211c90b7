#include "verifier/row_costs.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>

namespace recycling::verifier {

void RowCosts::Record(int rows, absl::Duration duration) {
  const auto log = static_cast<std::size_t>(std::bit_width(static_cast<unsigned>(rows)) - 1);
  Range& range = ranges_[std::min(log, ranges_.size() - 1)];
  range.passes = std::min(range.passes + 1, 32u);
  range.rows += (rows - range.rows) / range.passes;
  range.micros += (absl::ToDoubleMicroseconds(duration) - range.micros) / range.passes;
}

std::vector<RowCost> RowCosts::Snapshot() const {
  constexpr double kMost = std::numeric_limits<std::uint32_t>::max();
  std::vector<RowCost> costs;
  for (const Range& range : ranges_) {
    if (range.passes == 0) continue;
    costs.push_back(
        {.rows = static_cast<std::uint32_t>(std::lround(range.rows)),
         .micros = static_cast<std::uint32_t>(std::clamp(std::round(range.micros), 0.0, kMost))});
  }
  return costs;
}

}  // namespace recycling::verifier
