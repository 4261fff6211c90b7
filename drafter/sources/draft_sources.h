// Which sources a sequence drafts from.
#ifndef RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_
#define RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_

#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

// New sources of one sequence: the matrix, the row that was accepted last, and the history. Where
// several name a token, a drafted node tells the first one's origin. `matrix` must outlive them.
CandidateSources MakeSources(AdjacencyMatrix* matrix);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_DRAFT_SOURCES_H_
