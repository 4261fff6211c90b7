// Decides which nodes of a verified draft tree are accepted.
#ifndef RECYCLING_VERIFIER_SAMPLING_ACCEPTANCE_H_
#define RECYCLING_VERIFIER_SAMPLING_ACCEPTANCE_H_

#include <functional>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"
#include "verifier/sampling/sampler.h"

namespace recycling::verifier {

// Says which tokens may follow a path. Threads: one.
class PathConstraint {
 public:
  virtual ~PathConstraint() = default;

  // The tokens that may follow the committed tokens and `path`. Valid until the next call.
  virtual absl::StatusOr<TokenSet> AllowedAfter(std::span<const TokenId> path) = 0;
  // Whether `token`, if it is chosen, ends the output.
  virtual bool Ends(TokenId token) const = 0;
};

struct AcceptedPath {
  std::vector<TokenId> tokens;  // accepted draft tokens and the bonus token; at least one
  std::vector<int> nodes;       // accepted nodes from the root's child down; one fewer than tokens
  bool stopped = false;         // the last token ends the output
};

// Starts at the root. At each node it chooses a token from the logits of the node; history.path has
// the tokens accepted so far. If a child of the node has this token, the child is accepted and
// becomes the next node. If not, the token is the bonus token, and the function returns. A token
// that ends the output is always the bonus token. Calls `logits` for visited nodes only. `tree`
// must be valid, its base must be the number of tokens in `history`, and history.path must be
// empty. `constraint` may be null. Returns the errors of ChooseToken and of the constraint.
absl::StatusOr<AcceptedPath> AcceptPath(
    const DraftTree& tree, const TokenHistory& history, const SamplingRules& rules,
    const std::function<std::span<const float>(int node)>& logits, SamplerScratch& scratch,
    PathConstraint* constraint = nullptr);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SAMPLING_ACCEPTANCE_H_
