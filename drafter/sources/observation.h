// How the drafter learns.
#ifndef RECYCLING_DRAFTER_SOURCES_OBSERVATION_H_
#define RECYCLING_DRAFTER_SOURCES_OBSERVATION_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"
#include "drafter/matrix/adjacency_matrix.h"

namespace recycling::drafter {

// A verified step, or a piece of the prompt: rows and what the model thought would follow each.
struct Observation {
  std::vector<TokenId> tokens;  // [rows]: in node order, root first, or in position order
  Candidates candidates;        // [rows, k]
  std::vector<std::uint32_t> accepted_path;  // rows, ascending from 0; empty for a prompt
  // [rows]: the row that each row continues, less than the row itself; -1 for row 0. Empty: only
  // the parents along the accepted path are known.
  std::vector<std::int32_t> parents;
};

// OK if `observation` may be learnt by a matrix of `vocab_size` and `k`: at least one row, as many
// rows of candidates as tokens, of exactly k distinct ids, every id in the vocabulary, an accepted
// path that is empty or ascends strictly from row 0, and parents that are empty or one for each
// row, each before its row, and that agree with the accepted path. Else InvalidArgument.
absl::Status ValidateObservation(const Observation& observation, std::uint32_t vocab_size,
                                 std::uint32_t k);

// M[tokens[i]] = candidates[i] for every row in order, so that the later of equal tokens wins; then
// once more along the accepted path, so that what really happened wins. Requires a valid
// observation. Takes no memory.
void Learn(const Observation& observation, AdjacencyMatrix* matrix);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_OBSERVATION_H_
