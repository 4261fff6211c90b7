#ifndef RECYCLING_TESTS_DRAFTER_MATRIX_RANDOM_ROWS_H_
#define RECYCLING_TESTS_DRAFTER_MATRIX_RANDOM_ROWS_H_

#include <algorithm>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "drafter/matrix/adjacency_matrix.h"

namespace recycling::drafter {

// Writes k random distinct ids into every row.
inline void FillRandomly(AdjacencyMatrix& matrix, std::mt19937& random) {
  std::vector<TokenId> ids(matrix.vocab_size());
  std::iota(ids.begin(), ids.end(), 0);
  for (TokenId token = 0; token < matrix.vocab_size(); ++token) {
    std::shuffle(ids.begin(), ids.end(), random);
    matrix.WriteRow(token, std::span(ids).first(matrix.k()));
  }
}

}  // namespace recycling::drafter

#endif  // RECYCLING_TESTS_DRAFTER_MATRIX_RANDOM_ROWS_H_
