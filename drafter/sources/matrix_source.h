// The adjacency matrix as a draft source. It names the tokens in the matrix row of the last token
// of the path.
#ifndef RECYCLING_DRAFTER_SOURCES_MATRIX_SOURCE_H_
#define RECYCLING_DRAFTER_SOURCES_MATRIX_SOURCE_H_

#include <cstdint>

#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/sources/candidate_source.h"
#include "drafter/sources/ranked_row.h"

namespace recycling::drafter {

// The classes are those of ranked_row.h. If the row is cold, the source names no token.
class MatrixSource final : public CandidateSource {
 public:
  // `matrix` must outlive this. Sequences may share it.
  explicit MatrixSource(AdjacencyMatrix* matrix) : matrix_(matrix) {}

  DraftSource origin() const override { return DraftSource::kMatrix; }
  std::size_t classes() const override { return kRankClasses + 1; }
  double Prior(std::uint8_t token_class) const override;
  void Candidates(const DraftPath& path, SourceAnswer* answer) const override;
  // Writes every row of the step into the matrix (Learn in observation.h).
  void Observe(const ObservedStep& step) override;

 private:
  AdjacencyMatrix* const matrix_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_MATRIX_SOURCE_H_
