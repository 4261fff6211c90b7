#include "drafter/sources/recent_source.h"

#include <algorithm>
#include <array>
#include <span>

#include "drafter/sources/observation.h"

namespace recycling::drafter {
namespace {

// The prior of each rank, then that of a token that is not named.
constexpr std::array<double, RecentSource::kRecentRanks + 1> kRecentPrior = {0.03, 0.03, 0.02, 0.02,
                                                                             0.001};

}  // namespace

double RecentSource::Prior(std::uint8_t token_class) const {
  return kRecentPrior[token_class % kRecentPrior.size()];
}

void RecentSource::Candidates(const DraftPath& path, SourceAnswer* answer) const {
  const std::size_t first =
      (std::min(path.drafted.size(), kDepths) - 1) * kRecentPrior.size();  // class of rank 0
  for (std::size_t rank = 0; rank < std::min(row_.size(), kRecentRanks); ++rank) {
    answer->Name(row_[rank], static_cast<std::uint8_t>(first + rank));
  }
  answer->other_class = static_cast<std::uint8_t>(first + kRecentRanks);
}

void RecentSource::Observe(const ObservedStep& step) {
  std::size_t accepted_end = 0;  // index in `committed` of the token after the accepted path
  if (step.rows != nullptr) {
    const std::vector<std::uint32_t>& path = step.rows->accepted_path;
    if (path.empty()) return;
    const auto candidates = CandidatesOf(*step.rows, path.back());
    row_.assign(candidates.begin(), candidates.end());
    accepted_end = step.root + path.size();
  }
  if (step.fresh > 0 && step.committed.size() > accepted_end) {
    std::erase(row_, step.committed.back());  // the token that the model chose
  }
}

}  // namespace recycling::drafter
