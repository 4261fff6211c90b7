// The interface of a draft source. A source names tokens that may follow a position in the
// sequence, and gives each token a class. README.md says how to add a source.
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

inline constexpr std::size_t kMaxSources = 8;  // the limit for one sequence

// A node of a draft tree, as the tokens that lead to it.
struct DraftPath {
  // The committed tokens before the root, oldest first and without a gap; empty if not known.
  std::span<const TokenId> committed;
  // The root, then the drafted tokens down to the node. Never empty.
  std::span<const TokenId> drafted;

  // The node's own token.
  TokenId last() const { return drafted.back(); }
  // The token `distance` positions before the node's own token. Absent if it is not known.
  std::optional<TokenId> Before(std::size_t distance) const {
    if (distance < drafted.size()) return drafted[drafted.size() - 1 - distance];
    const std::size_t beyond = distance - drafted.size();
    if (beyond >= committed.size()) return std::nullopt;
    return committed[committed.size() - 1 - beyond];
  }
};

// The answer of a source about the possible children of one node. It gives every token a class: the
// source names some tokens and gives each one a class, and it gives one class to all other tokens.
struct SourceAnswer {
  struct Named {
    TokenId token;
    std::uint8_t token_class;
  };

  void Name(TokenId token, std::uint8_t token_class) { named[size++] = {token, token_class}; }

  // The first `size` entries are filled. They hold distinct tokens of the vocabulary, the most
  // probable first.
  std::array<Named, kMaxK> named;
  std::size_t size = 0;
  std::uint8_t other_class = 0;  // the class of every token that is not named
};

// New knowledge about the sequence since the last call of Observe.
struct ObservedStep {
  // Rows that the verifier has computed, with the model's candidates after each row. Null if there
  // are none. It is valid (ValidateObservation). A piece of the prompt has an empty accepted path.
  const Observation* rows = nullptr;
  // The known committed tokens, oldest first and without a gap. The last `fresh` tokens are new. If
  // all of them are new, the sequence begins, or tokens before them are not known. Empty if `rows`
  // is a piece of the prompt, because its tokens were observed before.
  std::span<const TokenId> committed = {};
  std::size_t fresh = 0;
  // The index of row 0 in `committed`; 0 if `committed` is empty.
  std::size_t root = 0;
};

// Belongs to one sequence. Memory that it shares with other sequences has its own lock. Threads:
// the caller makes one call at a time.
class CandidateSource {
 public:
  virtual ~CandidateSource() = default;

  // The source that drafted nodes name if this source proposes them.
  virtual DraftSource origin() const = 0;

  // The number of classes, at most 256. Classes are the integers in [0, classes()). The source
  // defines their meaning, for example the rank of the token or the length of a match. An estimator
  // may keep separate counts for each class.
  virtual std::size_t classes() const = 0;

  // The probability, in (0, 1), that the estimator uses for this class before it has counted any
  // token of it.
  virtual double Prior(std::uint8_t token_class) const = 0;

  // Names tokens that may follow the node at the end of `path`. The caller passes an empty
  // `answer`.
  virtual void Candidates(const DraftPath& path, SourceAnswer* answer) const = 0;

  // Learns from a step. Before this call, the caller asks for the candidates along the accepted
  // path, so that the estimator can count them.
  virtual void Observe(const ObservedStep& step) = 0;
};

// The sources of one sequence: at most kMaxSources, in a fixed order.
using CandidateSources = std::vector<std::unique_ptr<CandidateSource>>;

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_CANDIDATE_SOURCE_H_
