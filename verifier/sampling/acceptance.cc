#include "verifier/sampling/acceptance.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "common/base/status_macros.h"

namespace recycling::verifier {
namespace {

std::optional<int> ChildWith(const DraftTree& tree, int node, TokenId token) {
  // The tree is in breadth-first order, so the children of a node are adjacent.
  const auto [begin, end] = std::equal_range(tree.parents.begin(), tree.parents.end(), node);
  for (auto parent = begin; parent != end; ++parent) {
    const auto child = parent - tree.parents.begin();
    if (tree.tokens[static_cast<std::size_t>(child)] == token) return static_cast<int>(child);
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<AcceptedPath> AcceptPath(
    const DraftTree& tree, const TokenHistory& history, const SamplingRules& rules,
    const std::function<std::span<const float>(int node)>& logits, SamplerScratch& scratch,
    PathConstraint* constraint) {
  AcceptedPath accepted;
  for (int node = 0;;) {
    const TokenHistory here = {history.prompt, history.generated, accepted.tokens};
    const std::uint64_t position = tree.base + accepted.tokens.size();
    TokenSet allowed;
    if (constraint != nullptr) {
      ASSIGN_OR_RETURN(allowed, constraint->AllowedAfter(accepted.tokens));
    }
    ASSIGN_OR_RETURN(const TokenId token,
                     ChooseToken(logits(node), here, rules, position, scratch, allowed));
    accepted.tokens.push_back(token);
    accepted.stopped = rules.Stops(token) || (constraint != nullptr && constraint->Ends(token));
    if (accepted.stopped) return accepted;
    const std::optional<int> child = ChildWith(tree, node, token);
    if (!child.has_value()) return accepted;
    accepted.nodes.push_back(*child);
    node = *child;
  }
}

}  // namespace recycling::verifier
