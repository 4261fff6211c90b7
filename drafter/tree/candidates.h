// The candidates of one node: the answers of all sources of a sequence, merged by token.
#ifndef RECYCLING_DRAFTER_TREE_CANDIDATES_H_
#define RECYCLING_DRAFTER_TREE_CANDIDATES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"
#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

// A token that at least one source names.
struct Candidate {
  TokenId token = 0;
  std::uint32_t rank = 0;        // its index among the candidates of the node
  DraftSourceSet origins = 0;    // those of all sources that name it
  std::uint8_t answered_by = 0;  // bit j is set if source j names any token after the node
  // [sources] The class that each source gives this token. A source that does not name the token
  // gives it its class for other tokens. Elements without a source are 0.
  std::array<std::uint8_t, kMaxSources> classes = {};
  // The probability that the model chooses this token after the node. An estimator sets it.
  double probability = 0;

  bool AnsweredBy(std::size_t source) const { return ((answered_by >> source) & 1) != 0; }
};

// Asks sources for candidates. Reuses its memory between calls. Threads: the caller makes one call
// at a time.
class CandidateFinder {
 public:
  // Returns the candidates of the node at the end of `path`, with distinct tokens. The tokens of
  // the first source come first, in its order. Then come the other tokens of the second source, and
  // so on. The result is valid until the next call.
  std::span<Candidate> Find(const CandidateSources& sources, const DraftPath& path);

 private:
  std::vector<SourceAnswer> answers_;  // [sources]
  std::vector<Candidate> candidates_;  // only grows; begins with the last result
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_CANDIDATES_H_
