#include "drafter/tree/acceptance.h"

#include <algorithm>

namespace recycling::drafter {
namespace {

constexpr double kPriorTrials = 8;      // weight of the prior, in trials
constexpr double kDepthTrials = 30;     // weight of the any-depth estimate at one depth
constexpr double kSequenceTrials = 30;  // weight of the estimate over all sequences in one sequence
constexpr float kFadeAt = 4096;

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
