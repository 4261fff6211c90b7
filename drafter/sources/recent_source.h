// For a token whose matrix row is cold, proposes the candidates of the last accepted node.
#ifndef RECYCLING_DRAFTER_SOURCES_RECENT_SOURCE_H_
#define RECYCLING_DRAFTER_SOURCES_RECENT_SOURCE_H_

#include <cstdint>
#include <vector>

#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/sources/candidate_source.h"
#include "drafter/sources/ranked_row.h"

namespace recycling::drafter {

// Names the candidates of the last accepted node, for any token whose own matrix row is cold. The
// classes are those of ranked_row.h.
class RecentSource final : public CandidateSource {
 public:
  // `matrix` must outlive this.
  explicit RecentSource(const AdjacencyMatrix* matrix) : matrix_(matrix) {}

  DraftSource origin() const override { return DraftSource::kRecent; }
  std::size_t classes() const override { return kRankClasses + 1; }
  double Prior(std::uint8_t token_class) const override;
  void Candidates(const DraftPath& path, SourceAnswer* answer) const override;
  void Observe(const ObservedStep& step) override;

 private:
  const AdjacencyMatrix* const matrix_;
  std::vector<TokenId> row_;  // candidates of the last accepted node; empty before the first step
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_RECENT_SOURCE_H_
