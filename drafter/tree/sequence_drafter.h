// Drafts for one sequence: keeps its committed tokens, asks its sources for candidates, and passes
// each verified step to the sources and the estimator, which learn from it.
#ifndef RECYCLING_DRAFTER_TREE_SEQUENCE_DRAFTER_H_
#define RECYCLING_DRAFTER_TREE_SEQUENCE_DRAFTER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"
#include "drafter/sources/candidate_source.h"
#include "drafter/sources/committed_tokens.h"
#include "drafter/sources/observation.h"
#include "drafter/tree/adaptive_tree.h"
#include "drafter/tree/candidates.h"
#include "drafter/tree/estimator.h"
#include "drafter/tree/step_costs.h"

namespace recycling::drafter {

// The root of the next tree.
struct NextRoot {
  std::uint64_t base = 0;  // the number of committed tokens, including the root
  TokenId root = 0;        // the last committed token
};

// One message about a step. The observations are valid (ValidateObservation), or null if absent.
struct StepNews {
  std::uint64_t step = 0;  // number of the step in the request
  const Observation* prompt = nullptr;
  const Observation* observation = nullptr;     // of the previous step
  std::optional<NextRoot> next = std::nullopt;  // absent: the next root is not known yet
};

// A SequenceDrafter learns only from accepted paths. Just before it learns a step, it looks up the
// candidates of each accepted node once more. Each candidate is a trial, drafted or not. So the
// drafter learns the same, no matter which tree was proposed and whether the tree was cut or
// ignored.
//
// Threads: the caller makes one call at a time.
class SequenceDrafter {
 public:
  // `committed`: all tokens that are committed before the first tree, including its root, or the
  // last part of them. Empty if they are not known. `estimator` must have been made for `sources`.
  SequenceDrafter(CandidateSources sources, std::unique_ptr<Estimator> estimator,
                  std::vector<TokenId> committed);

  // Learns from a message. Messages may be lost. If tokens may be missing between two known tokens,
  // the drafter does not learn that the second follows the first.
  void Learn(const StepNews& news);

  // Returns the adaptive tree (AdaptiveTreeBuilder). Its root is the last committed token, which is
  // StepNews::next.root of the last message. Requires that the last message had `next`.
  DraftTree Propose(const StepCosts& costs, int max_nodes, int max_depth, double other_tokens);

  // The expected tokens of the last tree.
  double expected_tokens() const { return builder_.expected_tokens(); }

 private:
  // The last accepted node of a step, as long as the token that the model chose after it is not
  // known.
  struct OpenNode {
    int depth = 0;  // depth of its children
    std::vector<Candidate> candidates;
  };

  // If the first message is about a step before the session, the tokens of this step are already in
  // committed_. Removes them, so that LearnStep can learn the step like any other.
  void TakeBackStep(const StepNews& news);
  void LearnStep(const StepNews& news);
  // True if no token is missing between committed_ and the root of the observed step.
  bool Follows(const StepNews& news) const;
  // Learns the next root of a message without an observed step. The root may be the awaited token.
  // Any other new root means that tokens are missing.
  void LearnRoot(const NextRoot& next);
  // Begins again with `token`, because tokens before it are missing.
  void Restart(TokenId token);
  // Learns the awaited token, which is `chosen`.
  void Settle(TokenId chosen);
  void LearnTrials(const Observation& observation, std::optional<TokenId> bonus);
  void Teach(const ObservedStep& step);

  const CandidateSources sources_;
  const std::unique_ptr<Estimator> estimator_;
  CommittedTokens committed_;
  // True if the model has chosen the token after committed_, but no message has named it yet.
  bool awaits_token_ = false;
  // Set if awaits_token_ is true and the node is not too deep for its trials to count.
  std::optional<OpenNode> open_;
  bool first_ = true;              // Learn has not been called yet
  std::uint64_t last_step_ = 0;    // step of the last message with an accepted path or a root
  std::vector<TokenId> accepted_;  // accepted tokens of the current step, its root first
  CandidateFinder finder_;
  AdaptiveTreeBuilder builder_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_SEQUENCE_DRAFTER_H_
