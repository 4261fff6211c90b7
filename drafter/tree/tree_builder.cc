#include "drafter/tree/tree_builder.h"

#include <algorithm>
#include <array>
#include <vector>

namespace recycling::drafter {

DraftTree BuildTree(const AdjacencyMatrix& matrix, TokenId root, const TreeTemplate& shape,
                    int max_nodes, int max_depth) {
  const std::vector<TreeTemplate::Node>& nodes = shape.nodes();
  const std::size_t capacity = 1 + static_cast<std::size_t>(std::clamp(max_nodes, 0, shape.size()));
  DraftTree tree = DraftTree::Root(0, root);
  tree.ranks = {0};
  tree.sources = {0};
  tree.tokens.reserve(capacity);
  tree.parents.reserve(capacity);
  tree.ranks.reserve(capacity);
  tree.sources.reserve(capacity);

  std::array<int, kMaxTemplateNodes + 1> placed;  // template node -> tree node, or -1
  placed[0] = 0;
  std::array<TokenId, kMaxK> row;  // candidates of template node `row_of`
  std::uint32_t row_size = 0;
  int row_of = -1;
  for (std::size_t i = 1; i < nodes.size() && tree.tokens.size() < capacity; ++i) {
    const auto& [parent, rank, depth] = nodes[i];
    if (depth > max_depth) break;
    placed[i] = -1;
    const int tree_parent = placed[static_cast<std::size_t>(parent)];
    if (tree_parent < 0) continue;
    if (parent != row_of) {
      row_size = matrix.ReadRow(tree.tokens[static_cast<std::size_t>(tree_parent)], row);
      row_of = parent;
    }
    if (rank >= row_size) continue;
    placed[i] = tree.size();
    tree.tokens.push_back(row[rank]);
    tree.parents.push_back(tree_parent);
    tree.ranks.push_back(rank);
    tree.sources.push_back(SetOf(DraftSource::kMatrix));
  }
  return tree;
}

}  // namespace recycling::drafter
