// The rows of token pairs as a draft source. It names the tokens in the row of the last two tokens
// of the path.
#ifndef RECYCLING_DRAFTER_SOURCES_PAIR_SOURCE_H_
#define RECYCLING_DRAFTER_SOURCES_PAIR_SOURCE_H_

#include <cstddef>
#include <cstdint>

#include "drafter/matrix/pair_matrix.h"
#include "drafter/sources/candidate_source.h"
#include "drafter/sources/ranked_row.h"

namespace recycling::drafter {

// The classes are those of ranked_row.h. If the pair has no row, the source names no token.
class PairSource final : public CandidateSource {
 public:
  // `pairs` must outlive this. Sequences may share it.
  explicit PairSource(PairMatrix* pairs) : pairs_(pairs) {}

  DraftSource origin() const override { return DraftSource::kPair; }
  std::size_t classes() const override { return kRankClasses + 1; }
  double Prior(std::uint8_t token_class) const override;
  void Candidates(const DraftPath& path, SourceAnswer* answer) const override;
  // Writes every row whose token before it is known, in the order of Learn in observation.h.
  void Observe(const ObservedStep& step) override;

 private:
  PairMatrix* const pairs_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_PAIR_SOURCE_H_
