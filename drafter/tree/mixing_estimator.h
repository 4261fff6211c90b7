// Estimates by logistic mixing: a weighted sum of what the sources say, whose weights are learnt
// online.
//
// A source gives a candidate a class. The estimator counts how often candidates of this class were
// right:
//
//   x_j = logit((hits + 8 * prior) / (trials + 8))       of the class that source j gives
//
// The estimate of a candidate is
//
//   z = mask_bias[m] + match_bias[c] + depth_bias[d]
//       + sum over j of (mask_weight[m][j] + match_weight[c][j]) * x_j
//   p = 1 / (1 + exp(-z)), z clipped to [-9, 7]
//
//   m  which of the first three mixed sources name any token after this node
//   c  the class of the HistorySource, because its classes say how far a match can be trusted; 0 if
//      there is no HistorySource
//   d  the depth of the candidate: 1, 2, 3, deeper
//   j  the mixed sources, which are all sources but the HistorySource; only those that name any
//      token after this node
//
// If the estimates of all candidates of a node have a sum above 1, they are divided by it.
//
// At each accepted node, every candidate is a trial. With e = 0.02 (hit - p), the biases change by
// e, the depth bias by 0.3 e, and the weights by 0.25 e x_j. So a weight follows what has paid
// lately. Counts are halved when their trials reach 4096.
#ifndef RECYCLING_DRAFTER_TREE_MIXING_ESTIMATOR_H_
#define RECYCLING_DRAFTER_TREE_MIXING_ESTIMATOR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "drafter/sources/candidate_source.h"
#include "drafter/tree/estimator.h"
#include "drafter/tree/mixing_memory.h"

namespace recycling::drafter {

class MixingEstimator final : public Estimator {
 public:
  // `sources` must be the sources that give the candidates, in the same order. All sequences that
  // share `memory` must have the same sources in the same order. `memory` must outlive this.
  MixingEstimator(const CandidateSources& sources, MixingMemory* memory);

  void Prepare() override;
  void Estimate(int depth, std::span<Candidate> candidates) const override;
  void Learn(int depth, std::span<const Candidate> candidates, TokenId chosen) override;
  void Publish() override;

 private:
  // A source that is mixed.
  struct Mixed {
    std::size_t source = 0;
    std::size_t first_class = 0;  // index of its class 0 in evidence_
  };

  // Where the weights of one candidate stand in the numbers of the memory.
  struct Places {
    std::size_t mask_bias, match_bias, depth_bias;
    std::size_t mask_weights, match_weights;  // [mixed_]
  };
  Places PlacesOf(int depth, const Candidate& candidate) const;
  // Computes evidence_ from the counts in numbers_.
  void SetEvidence();
  // z of the formula.
  double Score(const Places& places, const Candidate& candidate) const;

  MixingMemory* const memory_;
  std::vector<Mixed> mixed_;
  std::size_t history_ = kMaxSources;  // the HistorySource; kMaxSources if there is none
  std::size_t match_classes_ = 1;
  std::size_t masks_ = 1;
  std::size_t biases_ = 0;        // the number of biases, which stand before the weights
  std::vector<double> priors_;    // [classes of all mixed sources]
  MixingNumbers numbers_;         // a copy of the memory
  MixingNumbers changes_;         // what Publish adds to the memory
  std::vector<double> evidence_;  // x of each class
};

// The numbers that a new memory begins with, for the sources of MakeSources (draft_sources.h).
// Other sources begin with equal weights. mixing_prior.cc says how the numbers were made.
const MixingNumbers& PriorNumbers();

// Numbers for the sources of MakeSources that were learnt before base rows had classes of their own
// (matrix_source.h) get empty counts for these classes. Other numbers are returned as they are.
MixingNumbers WithBaseRowClasses(MixingNumbers numbers);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_MIXING_ESTIMATOR_H_
