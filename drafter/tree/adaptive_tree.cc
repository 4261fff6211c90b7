#include "drafter/tree/adaptive_tree.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

namespace recycling::drafter {
namespace {

// True if `a` is to be taken after `b`. Total, so that equal inputs give equal trees: of equally
// probable nodes the one with the earlier parent, then the lower rank, goes first.
constexpr auto kLater = [](const auto& a, const auto& b) {
  if (a.probability != b.probability) return a.probability < b.probability;
  return std::tie(a.parent, a.rank) > std::tie(b.parent, b.rank);
};

}  // namespace

DraftTree AdaptiveTreeBuilder::Build(const AdjacencyMatrix& matrix, const SequenceHistory& history,
                                     const AcceptanceTable& estimates, TokenId root,
                                     const StepCosts& costs, int max_nodes, int max_depth,
                                     double other_tokens) {
  const std::size_t most = static_cast<std::size_t>(std::max(max_nodes, 0));
  const int deepest = std::min(max_depth, kMaxAdaptiveDepth);
  taken_.assign(1, {.token = root});
  frontier_.clear();
  gains_.clear();
  if (most > 0 && deepest > 0) Open(matrix, history, estimates, 0);
  while (gains_.size() < most && !frontier_.empty()) {
    std::pop_heap(frontier_.begin(), frontier_.end(), kLater);
    taken_.push_back(frontier_.back());
    frontier_.pop_back();
    gains_.push_back(taken_.back().probability);
    if (taken_.back().depth < deepest && gains_.size() < most) {
      Open(matrix, history, estimates, static_cast<int>(taken_.size()) - 1);
    }
  }
  const auto nodes = static_cast<std::size_t>(BestSize(gains_, costs, other_tokens));
  expected_tokens_ = 1;
  for (std::size_t i = 0; i < nodes; ++i) expected_tokens_ += gains_[i];
  return BreadthFirst(nodes);
}

void AdaptiveTreeBuilder::Open(const AdjacencyMatrix& matrix, const SequenceHistory& history,
                               const AcceptanceTable& estimates, int node) {
  const Node& parent = taken_[static_cast<std::size_t>(node)];
  const int depth = parent.depth + 1;
  const auto& estimate = estimates[DepthBucket(depth)];
  const std::size_t size = history.CandidatesOf(matrix, parent.token, candidates_);
  for (std::size_t i = 0; i < size; ++i) {
    const Candidate& candidate = candidates_[i];
    frontier_.push_back({.probability = parent.probability * estimate[candidate.candidate_class],
                         .token = candidate.token,
                         .rank = candidate.rank,
                         .parent = node,
                         .depth = depth,
                         .source = candidate.source});
    std::push_heap(frontier_.begin(), frontier_.end(), kLater);
  }
}

DraftTree AdaptiveTreeBuilder::BreadthFirst(std::size_t nodes) {
  DraftTree tree = DraftTree::Root(0, taken_[0].token);
  tree.ranks = {0};
  tree.sources = {DraftSource::kUnspecified};
  tree.tokens.reserve(nodes + 1);
  tree.parents.reserve(nodes + 1);
  tree.ranks.reserve(nodes + 1);
  tree.sources.reserve(nodes + 1);
  // Level by level; in a level by the parent's place in the tree, then by rank.
  order_.resize(nodes);
  std::iota(order_.begin(), order_.end(), 1);
  placed_.assign(nodes + 1, 0);
  const auto node = [this](std::int32_t i) -> const Node& {
    return taken_[static_cast<std::size_t>(i)];
  };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::int32_t a, std::int32_t b) { return node(a).depth < node(b).depth; });
  for (auto begin = order_.begin(); begin != order_.end();) {
    const auto end = std::find_if(
        begin, order_.end(), [&](std::int32_t i) { return node(i).depth != node(*begin).depth; });
    std::sort(begin, end, [&](std::int32_t a, std::int32_t b) {
      const auto parent = [&](std::int32_t i) {
        return placed_[static_cast<std::size_t>(node(i).parent)];
      };
      return std::make_pair(parent(a), node(a).rank) < std::make_pair(parent(b), node(b).rank);
    });
    for (; begin != end; ++begin) {
      placed_[static_cast<std::size_t>(*begin)] = tree.size();
      tree.parents.push_back(placed_[static_cast<std::size_t>(node(*begin).parent)]);
      tree.tokens.push_back(node(*begin).token);
      tree.ranks.push_back(node(*begin).rank);
      tree.sources.push_back(node(*begin).source);
    }
  }
  return tree;
}

}  // namespace recycling::drafter
