// Turns what all sources say of a token into one probability, and learns how far they are right.
#ifndef RECYCLING_DRAFTER_TREE_ESTIMATOR_H_
#define RECYCLING_DRAFTER_TREE_ESTIMATOR_H_

#include <span>

#include "common/decoding/token_id.h"
#include "drafter/tree/candidates.h"

namespace recycling::drafter {

// Of one sequence; what it shares with other sequences has its own locking. Threads: calls one at a
// time.
class Estimator {
 public:
  virtual ~Estimator() = default;

  // Before each tree: takes over what other sequences have taught since.
  virtual void Prepare() = 0;

  // Fills the probability of each candidate of one node: that the model chooses it, given that the
  // node is accepted. Each is in (0, 1). `depth` is that of the candidates, at least 1.
  virtual void Estimate(int depth, std::span<Candidate> candidates) const = 0;

  // The verifier's walk stood on a node with these candidates, drafted or not, and the model chose
  // `chosen` there.
  virtual void Learn(int depth, std::span<const Candidate> candidates, TokenId chosen) = 0;

  // After each step: passes on to other sequences what Learn was told since.
  virtual void Publish() = 0;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_ESTIMATOR_H_
