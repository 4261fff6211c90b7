// Builds the template tree: fills a template with candidates of the matrix.
#ifndef RECYCLING_DRAFTER_TREE_TREE_BUILDER_H_
#define RECYCLING_DRAFTER_TREE_TREE_BUILDER_H_

#include "common/decoding/draft_tree.h"
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/tree/tree_template.h"

namespace recycling::drafter {

// Fills the template in breadth-first order from `root`: node (p, r) gets candidate r of the token
// at node p. The node is left out if p is not in the tree, or if the row of p has no candidate r. A
// cold row has no candidates. BuildTree reads the row of each node once, so the tree is valid
// (ValidateTree) even while other threads write the matrix. The base of the tree is 0; its ranks
// and sources are filled. Requires root < matrix.vocab_size().
//
// The tree has at most max_nodes nodes in addition to the root, and none of them is deeper than
// max_depth. If a limit is 0 or less, the tree is the root alone. The limits keep the first nodes
// in breadth-first order: the result is CutTree(tree without limits, max_nodes, max_depth).
DraftTree BuildTree(const AdjacencyMatrix& matrix, TokenId root, const TreeTemplate& shape,
                    int max_nodes, int max_depth);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_TREE_BUILDER_H_
