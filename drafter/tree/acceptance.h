// How often candidates came true: counts by kind of candidate and depth.
//
// A kind is what an estimator tells apart, for example a rank together with what the history says.
// A trial is one candidate at one node that the verifier's walk stood on. It is a hit if the model
// chose that candidate there. With n trials and h hits of a kind (any: at any depth, d: at this
// depth, s: in this sequence),
//
//   any(kind)    = (h_any + 8 prior(kind)) / (n_any + 8)        over all sequences of the matrix
//   at(d, kind)  = (h_d + 30 any(kind))    / (n_d + 30)         over all sequences of the matrix
//   p(d, kind)   = (h_s + 30 at(d, kind))  / (n_s + 30)         this sequence
//
// So each falls back to the coarser one while it has seen little. What was never tried has its
// prior, which is never 0. Counts over all sequences are halved when their trials reach 4096, so
// that old trials weigh less than new ones.
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

// [0, kDepthBuckets). depth >= 1.
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

// Adds a trial to a count that never fades.
void AddTrial(bool hit, AcceptanceCount* count);

// Of one kind, over all sequences.
struct KindCounts {
  AcceptanceCount any_depth;
  std::array<AcceptanceCount, kDepthBuckets> by_depth;
};

// The counts over all sequences that share a matrix. Some 3 KB. Threads: all methods may be called
// from any thread.
class SharedAcceptance {
 public:
  void Add(std::span<const Trial> trials);

  // Copies the counts of every kind that was tried, and perhaps of more; the others have none.
  void Read(std::vector<KindCounts>* counts) const;

 private:
  mutable Mutex mutex_;
  std::vector<KindCounts> counts_ ABSL_GUARDED_BY(mutex_);  // [kinds], grows with Add
};

// p(d, kind) of each kind and depth bucket.
using KindEstimates = std::array<double, kDepthBuckets>;

// By the formula above. `shared` may be shorter than `priors` and `sequence`: the rest is untried.
// The spans `priors`, `sequence` and `estimates` have one element for each kind.
void EstimateKinds(std::span<const KindCounts> shared, std::span<const double> priors,
                   std::span<const AcceptanceCount> sequence, std::span<KindEstimates> estimates);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_TREE_ACCEPTANCE_H_
