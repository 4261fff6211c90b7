// Computes one probability for each candidate from the classes that all sources give it, and learns
// from the tokens that the model chose.
#ifndef RECYCLING_DRAFTER_TREE_ESTIMATOR_H_
#define RECYCLING_DRAFTER_TREE_ESTIMATOR_H_

#include <span>

#include "common/decoding/token_id.h"
#include "drafter/tree/candidates.h"

namespace recycling::drafter {

// Belongs to one sequence. Memory that it shares with other sequences has its own lock. Threads:
// the caller makes one call at a time.
class Estimator {
 public:
  virtual ~Estimator() = default;

  // Reads the shared counts of other sequences. The caller calls it before each tree.
  virtual void Prepare() = 0;

  // Sets the probability of each candidate of one node, in (0, 1): the probability that the model
  // chooses this token if the node is accepted. `depth` is the depth of the candidates, at least 1.
  virtual void Estimate(int depth, std::span<Candidate> candidates) const = 0;

  // Learns from one accepted node: `candidates` are the candidates after it, drafted or not, and
  // the model chose `chosen`.
  virtual void Learn(int depth, std::span<const Candidate> candidates, TokenId chosen) = 0;

  // Adds what Learn has learnt to the shared counts. The caller calls it after each step.
  virtual void Publish() = 0;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_ESTIMATOR_H_
