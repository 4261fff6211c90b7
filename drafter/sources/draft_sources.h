// Makes the draft sources of a sequence.
#ifndef RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_
#define RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_

#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "common/decoding/draft_tree.h"
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/matrix/pair_matrix.h"
#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

inline constexpr DraftSourceSet kAllDraftSources =
    SetOf(DraftSource::kPair) | SetOf(DraftSource::kMatrix) | SetOf(DraftSource::kSequence) |
    SetOf(DraftSource::kRecent);

// Returns the sources of these names: pairs, matrix, history, recent. Returns InvalidArgument that
// names the flag if there is no name, or if a name is empty or unknown.
absl::StatusOr<DraftSourceSet> DraftSourcesFromNames(std::span<const std::string> names);

struct SourceOptions {
  // Read where `matrix` of MakeSources has no row (MatrixSource); null: no base rows.
  const AdjacencyMatrix* base = nullptr;
  // The sources that are on. A source that is off names no token and learns nothing. It keeps its
  // place and its classes, so an estimator's numbers do not change their meaning.
  DraftSourceSet on = kAllDraftSources;
};

// Makes new sources for one sequence: PairSource, MatrixSource, HistorySource and RecentSource, in
// this order. `matrix`, `pairs` and the base matrix must outlive the sources.
CandidateSources MakeSources(AdjacencyMatrix* matrix, PairMatrix* pairs,
                             const SourceOptions& options = {});

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_
