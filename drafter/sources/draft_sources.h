// Makes the draft sources of a sequence.
#ifndef RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_
#define RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_

#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

// Makes new sources for one sequence: MatrixSource, RecentSource and HistorySource, in this order.
// If several sources name a token, the drafted node has the origin of the first one. `matrix` must
// outlive the sources.
CandidateSources MakeSources(AdjacencyMatrix* matrix);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_
