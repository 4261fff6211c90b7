// Makes the draft sources of a sequence.
#ifndef RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_
#define RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_

#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/matrix/pair_matrix.h"
#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

// Makes new sources for one sequence: PairSource, MatrixSource, HistorySource and RecentSource, in
// this order. `matrix` and `pairs` must outlive the sources.
CandidateSources MakeSources(AdjacencyMatrix* matrix, PairMatrix* pairs);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_
