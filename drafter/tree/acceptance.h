// Counts how often the model chose the proposed candidates, by kind of candidate and by depth.
//
// A kind is a group of candidates that an estimator counts together, for example all candidates of
// one rank and one FollowClass. A trial is one candidate at one accepted node. It is a hit if the
// model chose that candidate after the node. Each kind has n trials and h hits. The index says
// which trials count: `any` those at any depth, `d` those at depth d, `s` those of this sequence at
// any depth. The estimates are
//
//   any(kind)    = (h_any + 8 prior(kind)) / (n_any + 8)        over all sequences of the matrix
//   at(d, kind)  = (h_d + 30 any(kind))    / (n_d + 30)         over all sequences of the matrix
//   p(d, kind)   = (h_s + 30 at(d, kind))  / (n_s + 30)         this sequence
//
// So with few trials, each estimate is near the estimate of the line above it. A kind without
// trials has its prior, which is never 0. Counts over all sequences are halved when their trials
// reach 4096, so that old trials weigh less than new ones.
#ifndef RECYCLING_DRAFTER_TREE_ACCEPTANCE_H_
#define RECYCLING_DRAFTER_TREE_ACCEPTANCE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/mutex.h"

namespace recycling::drafter {

inline constexpr std::size_t kDepthBuckets = 4;  // 1, 2, 3, deeper

// The bucket of a depth, in [0, kDepthBuckets). Requires depth >= 1.
std::size_t DepthBucket(int depth);

struct Trial {
  std::uint8_t depth_bucket = 0;
  std::uint16_t kind = 0;
  bool hit = false;
};

struct AcceptanceCount {
  float trials = 0;
  float hits = 0;
};

// Adds a trial to a count that is never halved.
void AddTrial(bool hit, AcceptanceCount* count);

// The counts of one kind over all sequences.
struct KindCounts {
  AcceptanceCount any_depth;
  std::array<AcceptanceCount, kDepthBuckets> by_depth;
};

// The counts over all sequences that share a matrix. They take about 3 KB. Threads: all methods may
// be called from any thread.
class SharedAcceptance {
 public:
  void Add(std::span<const Trial> trials);

  // Copies the counts to `counts`, indexed by kind. Kinds at or above counts->size() have no
  // trials.
  void Read(std::vector<KindCounts>* counts) const;

 private:
  mutable Mutex mutex_;
  std::vector<KindCounts> counts_ ABSL_GUARDED_BY(mutex_);  // [kinds], grows with Add
};

// p(d, kind) of one kind, for each depth bucket.
using KindEstimates = std::array<double, kDepthBuckets>;

// Fills `estimates` by the formula above. The spans `priors`, `sequence` and `estimates` have one
// element for each kind. `shared` may be shorter: the missing kinds have no trials.
void EstimateKinds(std::span<const KindCounts> shared, std::span<const double> priors,
                   std::span<const AcceptanceCount> sequence, std::span<KindEstimates> estimates);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_ACCEPTANCE_H_
