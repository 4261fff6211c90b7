// The adjacency matrix as a draft source. It names the tokens in the matrix row of the last token
// of the path, or, if this row is cold, those in the base row of that token.
#ifndef RECYCLING_DRAFTER_SOURCES_MATRIX_SOURCE_H_
#define RECYCLING_DRAFTER_SOURCES_MATRIX_SOURCE_H_

#include <cstdint>

#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/sources/candidate_source.h"
#include "drafter/sources/ranked_row.h"

namespace recycling::drafter {

// The classes of a row of the matrix are those of ranked_row.h. A base row has the same number of
// classes again, from kFirstBaseClass on, because it is a worse guess: it knows one token of the
// text, and a learnt row comes from a place of the text. There are as many classes without base
// rows. If both rows are cold, the source names no token.
class MatrixSource final : public CandidateSource {
 public:
  static constexpr std::uint8_t kFirstBaseClass = kRankClasses + 1;

  // `matrix` and `base` must outlive this. Sequences may share both. `base` may be null: then there
  // are no base rows. `base` has the k of `matrix`.
  explicit MatrixSource(AdjacencyMatrix* matrix, const AdjacencyMatrix* base = nullptr)
      : matrix_(matrix), base_(base) {}

  DraftSource origin() const override { return DraftSource::kMatrix; }
  std::size_t classes() const override { return 2 * (kRankClasses + 1); }
  double Prior(std::uint8_t token_class) const override;
  void Candidates(const DraftPath& path, SourceAnswer* answer) const override;
  // Writes every row of the step into the matrix (Learn in observation.h).
  void Observe(const ObservedStep& step) override;

 private:
  AdjacencyMatrix* const matrix_;
  const AdjacencyMatrix* const base_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_MATRIX_SOURCE_H_
