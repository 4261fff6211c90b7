// What one sequence has seen happen: which token followed which, and how often candidates came
// true. Lives with a session and is seen by no other; only the trials go into the counts of the
// matrix, which the same sequences share as share its rows.
//
// It learns from accepted paths alone, so it does not matter which tree was proposed, or whether it
// was cut or ignored on the way: the candidates of an accepted node are looked up once more, just
// before the step is learnt, and each is a trial, in the tree or not. Hence no candidate has to be
// drafted to be found good.
#ifndef RECYCLING_DRAFTER_SOURCES_SEQUENCE_HISTORY_H_
#define RECYCLING_DRAFTER_SOURCES_SEQUENCE_HISTORY_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"
#include "drafter/matrix/acceptance.h"
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/sources/observation.h"

namespace recycling::drafter {

inline constexpr std::size_t kMaxCandidates = kMaxK + 1;

struct Candidate {
  TokenId token = 0;
  std::uint32_t rank = 0;
  DraftSource source = DraftSource::kMatrix;
  std::uint8_t candidate_class = 0;
};

// Threads: calls one at a time. Takes at most some 24 bytes for each token of the vocabulary that
// the sequence has emitted.
class SequenceHistory {
 public:
  // Candidates of `token` into `out`, distinct tokens, ranks ascending from 0; returns their
  // number: the token's row; if that is cold, the row of the last accepted node (kRecent); and last
  // what followed the token the last time, if it is not among them (kSequence).
  std::size_t CandidatesOf(const AdjacencyMatrix& matrix, TokenId token,
                           std::span<Candidate, kMaxCandidates> out) const;

  // A verified step, before it is learnt by `matrix`: counts the trials along its accepted path,
  // here and in the matrix, and remembers what followed what. `bonus` is the token chosen at the
  // last accepted node, if it is known already; else it is the first token of the next step's
  // observation, which is what ObserveBonus is for. Requires a valid observation.
  void Observe(const Observation& observation, std::optional<TokenId> bonus,
               AdjacencyMatrix* matrix);

  // The bonus of the observation before, if that is still open.
  void ObserveBonus(TokenId bonus, AdjacencyMatrix* matrix);
  // It will not become known.
  void ForgetBonus() { open_.reset(); }

  // What follows what in a piece of the prompt. No trials.
  void ObservePrompt(std::span<const TokenId> tokens);

  // Of this sequence, at any depth.
  const ClassCounts& counts() const { return counts_; }

 private:
  struct Follow {
    TokenId token = 0;
    std::uint32_t times = 0;  // in a row
  };
  // The last accepted node of a step whose bonus is not known yet.
  struct OpenNode {
    TokenId token = 0;
    int depth = 0;  // of its children
    std::size_t size = 0;
    std::array<Candidate, kMaxCandidates> candidates;
  };

  void Record(TokenId token, TokenId next);
  void Count(std::span<const Candidate> candidates, int depth, TokenId chosen);
  void Flush(AdjacencyMatrix* matrix);

  absl::flat_hash_map<TokenId, Follow> follows_;
  std::vector<TokenId> last_row_;  // of the last accepted node; empty before the first step
  ClassCounts counts_ = {};
  std::optional<OpenNode> open_;
  std::vector<Trial> trials_;  // of the call under way
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_SEQUENCE_HISTORY_H_
