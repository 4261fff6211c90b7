// What a step teaches, and how the matrix learns it.
#ifndef RECYCLING_DRAFTER_SOURCES_OBSERVATION_H_
#define RECYCLING_DRAFTER_SOURCES_OBSERVATION_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"
#include "drafter/matrix/adjacency_matrix.h"

namespace recycling::drafter {

// The rows of a verified step or of a piece of the prompt, and the model's candidates after each.
struct Observation {
  std::vector<TokenId> tokens;  // [rows]: of a step in node order, the root first; else by position
  Candidates candidates;        // [rows, k]
  std::vector<std::uint32_t> accepted_path;  // rows, ascending from 0; empty for a prompt
  // [rows]: the row that each row continues, less than the row itself; -1 for row 0. Empty: only
  // the parents along the accepted path are known.
  std::vector<std::int32_t> parents;
};

// OK if a matrix of `vocab_size` and `k` may learn `observation`:
//  - there is at least one row, and k candidates for each row;
//  - all ids are in the vocabulary, and the candidates of a row are distinct;
//  - the accepted path is empty, or it begins with row 0 and ascends strictly;
//  - the parents are empty, or there is one for each row, which stands before the row; along the
//    accepted path each row is the parent of the next.
// Else InvalidArgument.
absl::Status ValidateObservation(const Observation& observation, std::uint32_t vocab_size,
                                 std::uint32_t k);

// Writes M[tokens[i]] = candidates[i] for every row in order, so the last row of a token wins. Then
// it writes the rows of the accepted path once more, so what really happened wins. Requires a valid
// observation. Allocates nothing.
void Learn(const Observation& observation, AdjacencyMatrix* matrix);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_OBSERVATION_H_
