// Chooses the tree that pays most at a given price.
#ifndef RECYCLING_DRAFTER_TREE_ADAPTIVE_TREE_H_
#define RECYCLING_DRAFTER_TREE_ADAPTIVE_TREE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "common/decoding/draft_tree.h"
#include "drafter/matrix/acceptance.h"
#include "drafter/matrix/adjacency_matrix.h"
#include "drafter/sources/sequence_history.h"
#include "drafter/tree/step_costs.h"

namespace recycling::drafter {

inline constexpr int kMaxAdaptiveDepth = 32;

// Best first: a node's path probability is the product of the estimates along its path, what the
// node is expected to add to the tokens of the step. Nodes are taken in descending order of it, and
// of the sizes 0 to max_nodes the one with the most expected tokens for its cost is kept, tokens
// of other sequences included (BestSize). A child is never more probable than its parent, so the
// first n nodes are the best tree of n nodes, and what is kept is the best of all trees of at most
// max_nodes nodes and max_depth levels over the candidates.
//
// Threads: not thread-safe; keeps its memory between calls.
class AdaptiveTreeBuilder {
 public:
  // The tree from `root`, perhaps the root alone; base is 0, ranks and sources are filled. Each row
  // is read once per node, so the tree is valid (ValidateTree) also while others write. `root` is
  // less than the vocabulary size; a limit of 0 or less leaves the root alone, max_depth is cut to
  // kMaxAdaptiveDepth.
  DraftTree Build(const AdjacencyMatrix& matrix, const SequenceHistory& history,
                  const AcceptanceTable& estimates, TokenId root, const StepCosts& costs,
                  int max_nodes, int max_depth, double other_tokens = 0);

  // Of the tree that was built last: 1 + the path probabilities of its nodes.
  double expected_tokens() const { return expected_tokens_; }

 private:
  struct Node {
    double probability = 1;  // of the path
    TokenId token = 0;
    std::uint32_t rank = 0;
    std::int32_t parent = -1;  // index in taken_
    std::int32_t depth = 0;
    DraftSource source = DraftSource::kUnspecified;
  };

  // Puts the children of taken_[node] among those to choose from.
  void Open(const AdjacencyMatrix& matrix, const SequenceHistory& history,
            const AcceptanceTable& estimates, int node);
  DraftTree BreadthFirst(std::size_t nodes);

  std::vector<Node> taken_;           // in the order they were taken, the root first
  std::vector<Node> frontier_;        // heap, the most probable first
  std::vector<double> gains_;         // probabilities of taken_ without the root
  std::vector<std::int32_t> order_;   // of taken_, breadth-first
  std::vector<std::int32_t> placed_;  // place in the tree of each of taken_
  std::array<Candidate, kMaxCandidates> candidates_;
  double expected_tokens_ = 1;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_ADAPTIVE_TREE_H_
