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

struct AcceptedPath {
  std::vector<TokenId> tokens;  // accepted draft tokens and the bonus token; at least one
  std::vector<int> nodes;       // accepted nodes from the root's child down; one fewer than tokens
  bool stopped = false;         // the last token ends the output
};

// Walks down from the root. At each node it chooses a token from that node's logits, with the
// tokens accepted so far as history.path. If a child holds that token, the child is accepted and
// the walk goes on there; else the token is the bonus token and the walk ends. A token that ends
// the output is always the bonus token. Asks for the logits of visited nodes only. Requires a valid
// tree whose base is the number of tokens in `history`, and an empty history.path. Returns the
// errors of ChooseToken.
absl::StatusOr<AcceptedPath> AcceptPath(
    const DraftTree& tree, const TokenHistory& history, const SamplingRules& rules,
    const std::function<std::span<const float>(int node)>& logits, SamplerScratch& scratch);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SAMPLING_ACCEPTANCE_H_
