#include "drafter/sources/recent_source.h"

#include <array>
#include <cstddef>

namespace recycling::drafter {
namespace {

// The prior of each rank class, then that of a token that is not in the row.
constexpr std::array<double, kRankClasses + 1> kRecentPrior = {
    0.03, 0.03, 0.02, 0.02, 0.02, 0.015, 0.01, 0.01, 0.005, 0.003, 0.002, 0.0001};

}  // namespace

double RecentSource::Prior(std::uint8_t token_class) const { return kRecentPrior[token_class]; }

void RecentSource::Candidates(const DraftPath& path, SourceAnswer* answer) const {
  answer->other_class = kNotInRow;
  if (matrix_->IsCold(path.last())) NameRow(row_, answer);
}

void RecentSource::Observe(const ObservedStep& step) {
  if (step.rows == nullptr || step.rows->accepted_path.empty()) return;
  const std::size_t k = step.rows->candidates.k;
  const auto row = step.rows->candidates.ids.begin() +
                   static_cast<std::ptrdiff_t>(step.rows->accepted_path.back() * k);
  row_.assign(row, row + static_cast<std::ptrdiff_t>(k));
}

}  // namespace recycling::drafter
