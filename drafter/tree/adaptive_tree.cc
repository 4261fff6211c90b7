#include "drafter/tree/adaptive_tree.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace recycling::drafter {
namespace {

// True if the builder takes `a` after `b`. Of equally probable nodes, it first takes the node with
// the lower index in found_: the node with the earlier parent, then the node with the lower rank.
// This is a total order, so equal inputs give equal trees.
constexpr auto kLater = [](const auto& a, const auto& b) {
  return a.probability != b.probability ? a.probability < b.probability : a.node > b.node;
};

}  // namespace

DraftTree AdaptiveTreeBuilder::Build(const CandidateSources& sources, const Estimator& estimator,
                                     std::span<const TokenId> committed, const StepCosts& costs,
                                     int max_nodes, int max_depth, double other_tokens) {
  const std::span<const TokenId> before_root = committed.first(committed.size() - 1);
  const std::size_t most = static_cast<std::size_t>(std::max(max_nodes, 0));
  const int deepest = std::min(max_depth, kMaxAdaptiveDepth);
  taken_.assign(1, {.token = committed.back()});
  found_.clear();
  frontier_.clear();
  gains_.clear();
  if (most > 0 && deepest > 0) Open(sources, estimator, before_root, 0);
  while (gains_.size() < most && !frontier_.empty()) {
    std::pop_heap(frontier_.begin(), frontier_.end(), kLater);
    taken_.push_back(found_[frontier_.back().node]);
    frontier_.pop_back();
    gains_.push_back(taken_.back().probability);
    if (taken_.back().depth < deepest && gains_.size() < most) {
      Open(sources, estimator, before_root, static_cast<int>(taken_.size()) - 1);
    }
  }
  const auto nodes = static_cast<std::size_t>(BestSize(gains_, costs, other_tokens));
  expected_tokens_ = 1;
  for (std::size_t i = 0; i < nodes; ++i) expected_tokens_ += gains_[i];
  return BreadthFirst(nodes);
}

void AdaptiveTreeBuilder::Open(const CandidateSources& sources, const Estimator& estimator,
                               std::span<const TokenId> before_root, int node) {
  const Node& parent = taken_[static_cast<std::size_t>(node)];
  const int depth = parent.depth + 1;
  path_.resize(static_cast<std::size_t>(depth));
  for (int i = node; i >= 0; i = taken_[static_cast<std::size_t>(i)].parent) {
    const Node& above = taken_[static_cast<std::size_t>(i)];
    path_[static_cast<std::size_t>(above.depth)] = above.token;
  }
  const std::span<Candidate> candidates =
      finder_.Find(sources, {.committed = before_root, .drafted = path_});
  estimator.Estimate(depth, candidates);
  for (const Candidate& candidate : candidates) {
    const double probability = parent.probability * candidate.probability;
    frontier_.push_back(
        {.probability = probability, .node = static_cast<std::uint32_t>(found_.size())});
    Node& found = found_.emplace_back();
    found.probability = probability;
    found.token = candidate.token;
    found.rank = candidate.rank;
    found.parent = node;
    found.depth = depth;
    found.sources = candidate.origins;
    found.estimate = static_cast<float>(candidate.probability);
    std::push_heap(frontier_.begin(), frontier_.end(), kLater);
  }
}

DraftTree AdaptiveTreeBuilder::BreadthFirst(std::size_t nodes) {
  DraftTree tree = DraftTree::Root(0, taken_[0].token);
  tree.ranks = {0};
  tree.sources = {0};
  tree.probabilities = {1};
  tree.tokens.reserve(nodes + 1);
  tree.parents.reserve(nodes + 1);
  tree.ranks.reserve(nodes + 1);
  tree.sources.reserve(nodes + 1);
  tree.probabilities.reserve(nodes + 1);
  // Place the nodes level by level. Within a level, sort them by the place of the parent, then by
  // rank.
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
      tree.sources.push_back(node(*begin).sources);
      tree.probabilities.push_back(node(*begin).estimate);
    }
  }
  return tree;
}

}  // namespace recycling::drafter
