// Drafts for one sequence: keeps its committed tokens, asks its sources for candidates, and lets
// sources and estimator learn from what the verifier found.
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

// Where the next tree begins.
struct NextRoot {
  std::uint64_t base = 0;  // the number of committed tokens, the root included
  TokenId root = 0;        // the last of them
};

// One message about a step. What is pointed to is valid (ValidateObservation); null: absent.
struct StepNews {
  std::uint64_t step = 0;  // counts the steps of the request
  const Observation* prompt = nullptr;
  const Observation* observation = nullptr;     // of the step before
  std::optional<NextRoot> next = std::nullopt;  // absent: not known yet
};

// It learns from accepted paths alone. So it does not matter which tree was proposed, or whether
// that tree was cut or ignored: the candidates of each accepted node are looked up once more, just
// before the step is learnt, and each of them is a trial, drafted or not. No candidate must be
// drafted to be found good.
//
// Threads: calls one at a time.
class SequenceDrafter {
 public:
  // `committed`: all tokens that are committed before the first tree, its root included, or the
  // last of them; empty if they are not known. The estimator is of the same sources.
  SequenceDrafter(CandidateSources sources, std::unique_ptr<Estimator> estimator,
                  std::vector<TokenId> committed);

  // Learns what the message brings. Messages may be missing: a token that is not known to follow
  // the one before is not learnt as its follower.
  void Learn(const StepNews& news);

  // The tree that pays most (AdaptiveTreeBuilder) from the last committed token, which is that of
  // the last StepNews::next.
  DraftTree Propose(const StepCosts& costs, int max_nodes, int max_depth, double other_tokens);

  // Of the tree that was built last.
  double expected_tokens() const { return builder_.expected_tokens(); }

 private:
  // The last accepted node of a step. Which token was chosen there is told later.
  struct OpenNode {
    int depth = 0;  // of its children
    std::vector<Candidate> candidates;
  };

  // The first message tells of a step before the session: its tokens are among those committed when
  // the session opened. Takes them back, so that they are learnt as those of any other step.
  void TakeBackStep(const StepNews& news);
  void LearnStep(const StepNews& news);
  // True if the root of the observed step follows what is known without a gap.
  bool Follows(const StepNews& news) const;
  // The next root, of a message without a step: at most the token that is awaited may be new.
  void LearnRoot(const NextRoot& next);
  // Tokens are missing before `token`.
  void Restart(TokenId token);
  // The token that is awaited has become known.
  void Settle(TokenId chosen);
  void LearnTrials(const Observation& observation, std::optional<TokenId> bonus);
  void Teach(const ObservedStep& step);

  const CandidateSources sources_;
  const std::unique_ptr<Estimator> estimator_;
  CommittedTokens committed_;
  bool awaits_token_ = false;      // the token after the last of committed_ is chosen, but not told
  std::optional<OpenNode> open_;   // if awaits_token_, and the node is counted
  bool first_ = true;              // no message has come yet
  std::uint64_t last_step_ = 0;    // the last one that told of a step or a root
  std::vector<TokenId> accepted_;  // of the step that is being learnt, its root first
  CandidateFinder finder_;
  AdaptiveTreeBuilder builder_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_SEQUENCE_DRAFTER_H_
