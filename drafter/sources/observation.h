// The observation of a step, and the function that writes it into the matrix.
#ifndef RECYCLING_DRAFTER_SOURCES_OBSERVATION_H_
#define RECYCLING_DRAFTER_SOURCES_OBSERVATION_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"
#include "drafter/matrix/adjacency_matrix.h"

namespace recycling::drafter {

// The rows of a verified step or of a piece of the prompt, and the model's candidates after each
// row.
struct Observation {
  // [rows]: the nodes of the tree, the root first, or the tokens of the prompt in order.
  std::vector<TokenId> tokens;
  Candidates candidates;                     // [rows, k]
  std::vector<std::uint32_t> accepted_path;  // row numbers, ascending from 0; empty for a prompt
  // [rows]: the number of each row's parent, less than the row's own number; -1 for row 0. If
  // empty, only the parents along the accepted path are known.
  std::vector<std::int32_t> parents;
};

// The candidates after row `row`; [k].
std::span<const TokenId> CandidatesOf(const Observation& observation, std::size_t row);

// Returns OK if a matrix of `vocab_size` and `k` can learn `observation`, else InvalidArgument. The
// conditions are:
//  - there is at least one row, and k candidates for each row;
//  - all ids are in the vocabulary, and the candidates of a row are distinct;
//  - the accepted path is empty, or it begins with row 0 and ascends strictly;
//  - the parents are empty, or there is one for each row, which stands before the row; along the
//    accepted path, each row is the parent of the next row.
absl::Status ValidateObservation(const Observation& observation, std::uint32_t vocab_size,
                                 std::uint32_t k);

// Writes M[tokens[i]] = candidates[i] for every row in order, so the last row of a token stays.
// Then writes the rows of the accepted path once more, so that they replace rejected rows of the
// same token. Requires a valid observation. Allocates nothing.
void Learn(const Observation& observation, AdjacencyMatrix* matrix);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_OBSERVATION_H_
