// A draft source: it says which tokens may follow a place in the sequence, and what speaks for
// each. A new source is one file in this folder and one line in MakeSources (draft_sources.h).
#ifndef RECYCLING_DRAFTER_SOURCES_CANDIDATE_SOURCE_H_
#define RECYCLING_DRAFTER_SOURCES_CANDIDATE_SOURCE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/sources/observation.h"

namespace recycling::drafter {

inline constexpr std::size_t kMaxSources = 8;  // that one sequence may have

// A node of a draft tree: the tokens that lead to it.
struct DraftPath {
  // The committed tokens before the root, oldest first and without a gap; empty if not known.
  std::span<const TokenId> committed;
  // The root, then the drafted tokens down to the node. Never empty.
  std::span<const TokenId> drafted;

  // The node's own token.
  TokenId last() const { return drafted.back(); }
  // The token `distance` places before the node's own; absent if it is not known.
  std::optional<TokenId> Before(std::size_t distance) const {
    if (distance < drafted.size()) return drafted[drafted.size() - 1 - distance];
    const std::size_t beyond = distance - drafted.size();
    if (beyond >= committed.size()) return std::nullopt;
    return committed[committed.size() - 1 - beyond];
  }
};

// What a source says of the children of one node. It says something of every token: a source names
// some tokens, each with a class of its own, and gives one class to all other tokens.
struct SourceAnswer {
  struct Named {
    TokenId token;
    std::uint8_t token_class;
  };

  void Name(TokenId token, std::uint8_t token_class) { named[size++] = {token, token_class}; }

  // The first `size` are filled: distinct tokens of the vocabulary, the most probable first.
  std::array<Named, kMaxK> named;
  std::size_t size = 0;
  std::uint8_t other_class = 0;  // of every token that is not named
};

// What has become certain since the source observed the last time.
struct ObservedStep {
  // Rows that the model has judged, with the candidates after each; null if there are none. Valid
  // (ValidateObservation). A piece of the prompt has an empty accepted path.
  const Observation* rows = nullptr;
  // The committed tokens that are known, oldest first and without a gap. The last `fresh` are new.
  // Of a piece of the prompt: that piece alone.
  std::span<const TokenId> committed = {};
  std::size_t fresh = 0;
  // Where row 0 stands in `committed`.
  std::size_t root = 0;
};

// Belongs to one sequence; what it shares with other sequences has its own locking. Threads: calls
// one at a time.
class CandidateSource {
 public:
  virtual ~CandidateSource() = default;

  // What a drafted node that comes from this source says of its origin.
  virtual DraftSource origin() const = 0;

  // Classes are the integers in [0, classes()), at most 256. What they mean is up to the source,
  // for example the rank of the token or the length of a match. An estimator counts them apart.
  virtual std::size_t classes() const = 0;

  // How probable a token of this class is before anything was counted; in (0, 1).
  virtual double Prior(std::uint8_t token_class) const = 0;

  // What may follow the node at the end of `path`. `answer` is empty at first.
  virtual void Candidates(const DraftPath& path, SourceAnswer* answer) const = 0;

  // Learns from a step. The estimator has asked for the candidates along the accepted path before.
  virtual void Observe(const ObservedStep& step) = 0;
};

// At most kMaxSources, in a fixed order.
using CandidateSources = std::vector<std::unique_ptr<CandidateSource>>;

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_CANDIDATE_SOURCE_H_
