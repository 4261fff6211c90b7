// Chooses the tree that pays most at a given price.
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
// of it. Of the sizes 0 to max_nodes it keeps the one that gives the most expected tokens for its
// cost (BestSize). A child is never more probable than its parent, so the first n nodes are the
// best tree of n nodes. So no tree over the same candidates with at most max_nodes nodes and
// max_depth levels pays more.
//
// Threads: not thread-safe; keeps its memory between calls.
class AdaptiveTreeBuilder {
 public:
  // The tree below the root, which is the last of `committed` (at least the root is there). If no
  // node pays, the tree is the root alone. The base is 0; ranks and sources are filled. Each source
  // is asked once for each node, so the tree is valid (ValidateTree) even while others write. The
  // estimator is of the same sources, and Prepare was called. With a limit of 0 or less the tree is
  // the root alone. max_depth is cut to kMaxAdaptiveDepth.
  DraftTree Build(const CandidateSources& sources, const Estimator& estimator,
                  std::span<const TokenId> committed, const StepCosts& costs, int max_nodes,
                  int max_depth, double other_tokens = 0);

  // Of the tree that was built last: 1 + the sum of the path probabilities of its nodes.
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

  // A node that may be taken next. Small, because the heap moves it often.
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
  std::vector<double> gains_;         // probabilities of taken_ without the root
  std::vector<std::int32_t> order_;   // of taken_, breadth-first
  std::vector<std::int32_t> placed_;  // place in the tree of each of taken_
  std::vector<TokenId> path_;         // from the root to the node that is opened
  CandidateFinder finder_;
  double expected_tokens_ = 1;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_ADAPTIVE_TREE_H_
