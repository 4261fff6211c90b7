#include "common/decoding/draft_tree.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace recycling {

const char* DraftSourceName(DraftSource source) {
  switch (source) {
    case DraftSource::kMatrix:
      return "matrix";
    case DraftSource::kSequence:
      return "sequence";
    case DraftSource::kRecent:
      return "recent";
    case DraftSource::kPair:
      return "pair";
    case DraftSource::kUnspecified:
      break;
  }
  return "unnamed";
}

DraftTree DraftTree::Root(std::uint32_t base, TokenId root) {
  DraftTree tree;
  tree.base = base;
  tree.tokens = {root};
  tree.parents = {-1};
  return tree;
}

absl::Status ValidateTree(const DraftTree& tree, std::uint32_t vocab_size, int max_nodes) {
  const std::size_t n = tree.tokens.size();
  if (n == 0)
    return absl::InvalidArgumentError("draft tree: got no nodes, expected at least the root");
  if (n - 1 > static_cast<std::size_t>(max_nodes)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "draft tree: got ", n - 1, " nodes beside the root, expected at most ", max_nodes));
  }
  if (tree.parents.size() != n) {
    return absl::InvalidArgumentError(
        absl::StrCat("draft tree: got ", tree.parents.size(), " parents for ", n, " nodes"));
  }
  if (!tree.ranks.empty() && tree.ranks.size() != n) {
    return absl::InvalidArgumentError(
        absl::StrCat("draft tree: got ", tree.ranks.size(), " ranks for ", n, " nodes"));
  }
  if (!tree.sources.empty() && tree.sources.size() != n) {
    return absl::InvalidArgumentError(
        absl::StrCat("draft tree: got ", tree.sources.size(), " sources for ", n, " nodes"));
  }
  if (!tree.probabilities.empty() && tree.probabilities.size() != n) {
    return absl::InvalidArgumentError(absl::StrCat("draft tree: got ", tree.probabilities.size(),
                                                   " probabilities for ", n, " nodes"));
  }
  for (const float probability : tree.probabilities) {
    if (probability >= 0 && probability <= 1) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("draft tree: got probability ", probability, ", expected 0 to 1"));
  }
  if (tree.parents[0] != -1) {
    return absl::InvalidArgumentError(
        absl::StrCat("draft tree: got parent ", tree.parents[0], " for the root, expected -1"));
  }
  std::vector<std::pair<std::int32_t, TokenId>> edges;
  edges.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (tree.tokens[i] >= vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("draft tree: got token ", tree.tokens[i],
                                                     " at node ", i, ", expected less than ",
                                                     vocab_size));
    }
    if (i == 0) continue;
    const std::int32_t parent = tree.parents[i];
    if (parent < 0 || static_cast<std::size_t>(parent) >= i) {
      return absl::InvalidArgumentError(absl::StrCat("draft tree: got parent ", parent,
                                                     " for node ", i, ", expected 0 to ", i - 1));
    }
    if (i > 1 && parent < tree.parents[i - 1]) {
      return absl::InvalidArgumentError(
          absl::StrCat("draft tree: got parent ", parent, " for node ", i, " after parent ",
                       tree.parents[i - 1], ", expected breadth-first order"));
    }
    edges.emplace_back(parent, tree.tokens[i]);
  }
  std::sort(edges.begin(), edges.end());
  const auto twin = std::adjacent_find(edges.begin(), edges.end());
  if (twin != edges.end()) {
    return absl::InvalidArgumentError(absl::StrCat("draft tree: got token ", twin->second,
                                                   " twice below node ", twin->first,
                                                   ", expected distinct siblings"));
  }
  return absl::OkStatus();
}

std::vector<int> NodeDepths(const DraftTree& tree) {
  std::vector<int> depths(tree.tokens.size(), 0);
  for (std::size_t i = 1; i < depths.size(); ++i) {
    depths[i] = depths[static_cast<std::size_t>(tree.parents[i])] + 1;
  }
  return depths;
}

DraftTree CutTree(DraftTree tree, int max_nodes, int max_depth) {
  // In breadth-first order all nodes to remove come after the nodes that stay.
  const std::vector<int> depths = NodeDepths(tree);
  std::size_t keep = 1;
  while (keep < depths.size() && depths[keep] <= max_depth &&
         keep <= static_cast<std::size_t>(std::max(max_nodes, 0))) {
    ++keep;
  }
  tree.tokens.resize(keep);
  tree.parents.resize(keep);
  if (!tree.ranks.empty()) tree.ranks.resize(keep);
  if (!tree.sources.empty()) tree.sources.resize(keep);
  if (!tree.probabilities.empty()) tree.probabilities.resize(keep);
  return tree;
}

}  // namespace recycling
