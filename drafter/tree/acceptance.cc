#include "drafter/tree/acceptance.h"

#include <algorithm>

namespace recycling::drafter {
namespace {

// Weights in the formula of acceptance.h, as numbers of trials.
constexpr double kPriorTrials = 8;      // of prior(kind) in any(kind)
constexpr double kDepthTrials = 30;     // of any(kind) in at(d, kind)
constexpr double kSequenceTrials = 30;  // of at(d, kind) in p(d, kind)
constexpr float kFadeAt = 4096;         // counts with this many trials are halved

double Shrunk(const AcceptanceCount& count, double toward, double weight) {
  return (count.hits + weight * toward) / (count.trials + weight);
}

void AddFading(bool hit, AcceptanceCount* count) {
  AddTrial(hit, count);
  if (count->trials < kFadeAt) return;
  count->trials /= 2;
  count->hits /= 2;
}

}  // namespace

std::size_t DepthBucket(int depth) {
  return std::min(static_cast<std::size_t>(std::max(depth, 1)), kDepthBuckets) - 1;
}

void AddTrial(bool hit, AcceptanceCount* count) {
  count->trials += 1;
  if (hit) count->hits += 1;
}

void SharedAcceptance::Add(std::span<const Trial> trials) {
  if (trials.empty()) return;
  const MutexLock lock(mutex_);
  for (const Trial& trial : trials) {
    if (trial.kind >= counts_.size()) counts_.resize(std::size_t{trial.kind} + 1);
    KindCounts& counts = counts_[trial.kind];
    AddFading(trial.hit, &counts.any_depth);
    AddFading(trial.hit, &counts.by_depth[trial.depth_bucket]);
  }
}

void SharedAcceptance::Read(std::vector<KindCounts>* counts) const {
  const MutexLock lock(mutex_);
  *counts = counts_;
}

void EstimateKinds(std::span<const KindCounts> shared, std::span<const double> priors,
                   std::span<const AcceptanceCount> sequence, std::span<KindEstimates> estimates) {
  for (std::size_t kind = 0; kind < priors.size(); ++kind) {
    const KindCounts counts = kind < shared.size() ? shared[kind] : KindCounts{};
    const double any = Shrunk(counts.any_depth, priors[kind], kPriorTrials);
    for (std::size_t depth = 0; depth < kDepthBuckets; ++depth) {
      const double at = Shrunk(counts.by_depth[depth], any, kDepthTrials);
      estimates[kind][depth] = Shrunk(sequence[kind], at, kSequenceTrials);
    }
  }
}

}  // namespace recycling::drafter
