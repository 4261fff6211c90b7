// Fills a template with the candidates of the matrix: the template's draft tree.
#ifndef RECYCLING_DRAFTER_TREE_TREE_BUILDER_H_
#define RECYCLING_DRAFTER_TREE_TREE_BUILDER_H_

#include "common/decoding/draft_tree.h"
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/tree/tree_template.h"

namespace recycling::drafter {

// Breadth-first from `root`: node (p, r) of the template holds candidate r of the token at p. The
// node is left out if p is not in the tree, or if the row of p has no candidate r; a cold row has
// none. Each row is read once for each node, so the tree is valid (ValidateTree) even while others
// write. Ranks and sources are filled, the base is 0. `root` is less than the vocabulary size.
//
// The tree has at most max_nodes nodes beside the root, and none of them is deeper than max_depth.
// With a limit of 0 or less the tree is the root alone. A limit keeps the first nodes in
// breadth-first order: the result is CutTree(tree without limits, max_nodes, max_depth).
DraftTree BuildTree(const AdjacencyMatrix& matrix, TokenId root, const TreeTemplate& shape,
                    int max_nodes, int max_depth);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_TREE_BUILDER_H_
