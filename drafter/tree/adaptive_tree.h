// Builds the tree that is expected to give the most tokens per second at given step costs.
#ifndef RECYCLING_DRAFTER_TREE_ADAPTIVE_TREE_H_
#define RECYCLING_DRAFTER_TREE_ADAPTIVE_TREE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "common/decoding/draft_tree.h"
#include "drafter/sources/candidate_source.h"
#include "drafter/tree/candidates.h"
#include "drafter/tree/estimator.h"
#include "drafter/tree/step_costs.h"

namespace recycling::drafter {

inline constexpr int kMaxAdaptiveDepth = 32;

// A node's path probability is the product of the estimates along its path. It is the number of
// tokens that the node is expected to add to the step. The builder takes nodes in descending order
// of path probability. A child is never more probable than its parent, so the first n nodes form
// the best tree of n nodes. Of the sizes 0 to max_nodes, the builder keeps the one with the most
// expected tokens per microsecond (BestSize). So no other tree of the same candidates, with at most
// max_nodes nodes and max_depth levels, is better.
//
// Reuses its memory between calls. Threads: the caller makes one call at a time.
class AdaptiveTreeBuilder {
 public:
  // Returns the tree below the root. The root is the last token of `committed`, which must not be
  // empty. If no node increases the expected tokens per microsecond, the tree is the root alone. It
  // is also the root alone if max_nodes or max_depth is 0 or less. A max_depth above
  // kMaxAdaptiveDepth counts as kMaxAdaptiveDepth. The base of the tree is 0; its ranks and sources
  // are filled. The builder asks each source once for each node, so the tree is valid
  // (ValidateTree) even while other threads write the matrix. Requires that `estimator` was made
  // for `sources`, and that the caller has called its Prepare.
  DraftTree Build(const CandidateSources& sources, const Estimator& estimator,
                  std::span<const TokenId> committed, const StepCosts& costs, int max_nodes,
                  int max_depth, double other_tokens = 0);

  // The expected tokens of the last tree: 1 + the sum of the path probabilities of its nodes.
  double expected_tokens() const { return expected_tokens_; }

 private:
  struct Node {
    double probability = 1;  // path probability
    TokenId token = 0;
    std::uint32_t rank = 0;
    std::int32_t parent = -1;  // index in taken_
    std::int32_t depth = 0;
    DraftSourceSet sources = 0;
    float estimate = 1;  // probability that the model chooses it if it accepts the parent
  };

  // A node that the builder may take next. It is small, because the heap moves it often.
  struct Next {
    double probability = 0;
    std::uint32_t node = 0;  // index in found_
  };

  // Adds the children of taken_[node] to the frontier.
  void Open(const CandidateSources& sources, const Estimator& estimator,
            std::span<const TokenId> before_root, int node);
  DraftTree BreadthFirst(std::size_t nodes);

  std::vector<Node> taken_;           // in the order they were taken, the root first
  std::vector<Node> found_;           // in the order of their parents in taken_, then by rank
  std::vector<Next> frontier_;        // heap, the most probable first
  std::vector<double> gains_;         // path probabilities of taken_, without the root
  std::vector<std::int32_t> order_;   // indices in taken_, breadth-first
  std::vector<std::int32_t> placed_;  // [taken_]: the node's index in the tree
  std::vector<TokenId> path_;         // from the root to the node that Open expands
  CandidateFinder finder_;
  double expected_tokens_ = 1;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_ADAPTIVE_TREE_H_
