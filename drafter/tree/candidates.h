// The candidates of one node: what all sources of a sequence say, brought together by token.
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
  std::uint32_t rank = 0;  // its place among the candidates of the node, from 0
  DraftSource origin = DraftSource::kUnspecified;  // of the first source that names it
  std::uint8_t named_by = 0;                       // bit j is set if source j names it
  // [sources] What each source says of it, named or not; 0 beyond the last source.
  std::array<std::uint8_t, kMaxSources> classes = {};
  double probability = 0;  // that the model chooses it here; an estimator fills it

  bool NamedBy(std::size_t source) const { return ((named_by >> source) & 1) != 0; }
};

// Asks sources. Keeps its memory between calls. Threads: calls one at a time.
class CandidateFinder {
 public:
  // Candidates of the node at the end of `path`, distinct tokens: those of the first source in its
  // order, then what the second names beside them, and so on. Valid until the next call.
  std::span<Candidate> Find(const CandidateSources& sources, const DraftPath& path);

 private:
  std::vector<SourceAnswer> answers_;  // [sources]
  std::vector<Candidate> candidates_;  // at least as many as were ever found
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_CANDIDATES_H_
