// Turns what the matrix remembers into a draft tree.
#ifndef RECYCLING_DRAFTER_TREE_TREE_BUILDER_H_
#define RECYCLING_DRAFTER_TREE_TREE_BUILDER_H_

#include "common/decoding/draft_tree.h"
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/tree/tree_template.h"

namespace recycling::drafter {

// Breadth-first from `root`: node (p, r) of the template holds candidate r of the token at p, if p
// is in the tree and its row has a candidate r; a cold row proposes nothing. Each row is read once
// per node, so the tree is valid (ValidateTree) also while others write. Ranks and sources are
// filled, base is 0. `root` is less than the vocabulary size.
//
// At most max_nodes nodes beside the root, none deeper than max_depth; a limit of 0 or less leaves
// the root alone. A limit keeps the first nodes in breadth-first order: the result is
// CutTree(tree without limits, max_nodes, max_depth).
DraftTree BuildTree(const AdjacencyMatrix& matrix, TokenId root, const TreeTemplate& shape,
                    int max_nodes, int max_depth);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_TREE_BUILDER_H_
