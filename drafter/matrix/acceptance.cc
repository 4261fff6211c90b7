#include "drafter/matrix/acceptance.h"

#include <algorithm>

namespace recycling::drafter {
namespace {

constexpr double kPriorTrials = 8;
constexpr double kDepthTrials = 30;     // what the any-depth estimate counts for at a depth
constexpr double kSequenceTrials = 30;  // what all sequences count for in one
constexpr float kFadeAt = 4096;

// Hits over trials as measured on a small trained model, temperature 0.6; rank buckets beyond the
// eighth go on falling.
constexpr std::array<double, kRankBuckets> kFreshPrior = {0.35, 0.11,  0.06,  0.045, 0.04, 0.03,
                                                          0.02, 0.015, 0.008, 0.004, 0.002};
constexpr std::array<double, kRankBuckets> kColdPrior = {0.03, 0.03, 0.02,  0.02,  0.02, 0.015,
                                                         0.01, 0.01, 0.005, 0.003, 0.002};
// Rank 0, and all others.
constexpr std::array<double, 2> kFollowedOncePrior = {0.48, 0.2};
constexpr std::array<double, 2> kFollowedTwicePrior = {0.65, 0.4};
constexpr std::array<double, 2> kFollowedOftenPrior = {0.8, 0.7};
// Something else is likelier the more often it followed.
constexpr double kOtherOften = 0.5;

double Shrunk(const AcceptanceCount& count, double toward, double weight) {
  return (count.hits + weight * toward) / (count.trials + weight);
}

void AddFading(bool hit, AcceptanceCount* count) {
  AddTrial(hit, count);
  if (count->trials < kFadeAt) return;
  count->trials /= 2;
  count->hits /= 2;
}

std::size_t RankBucket(std::uint32_t rank) {
  if (rank < 8) return rank;
  return rank < 16 ? 8 : rank < 32 ? 9 : 10;
}

bool Followed(Evidence evidence) {
  return evidence == Evidence::kFollowedOnce || evidence == Evidence::kFollowedTwice ||
         evidence == Evidence::kFollowedOften;
}

}  // namespace

std::uint8_t ClassOf(Evidence evidence, std::uint32_t rank) {
  const std::size_t bucket = Followed(evidence) ? std::min(rank, 1u) : RankBucket(rank);
  return static_cast<std::uint8_t>(static_cast<std::size_t>(evidence) * kRankBuckets + bucket);
}

double PriorOf(std::uint8_t candidate_class) {
  const std::size_t bucket = candidate_class % kRankBuckets;
  const std::size_t first_or_not = std::min<std::size_t>(bucket, 1);
  switch (static_cast<Evidence>(candidate_class / kRankBuckets)) {
    case Evidence::kUnseen:
    case Evidence::kOtherOnce:
      return kFreshPrior[bucket];
    case Evidence::kOtherOften:
      return kOtherOften * kFreshPrior[bucket];
    case Evidence::kFollowedOnce:
      return kFollowedOncePrior[first_or_not];
    case Evidence::kFollowedTwice:
      return kFollowedTwicePrior[first_or_not];
    case Evidence::kFollowedOften:
      return kFollowedOftenPrior[first_or_not];
    case Evidence::kCold:
      break;
  }
  return kColdPrior[bucket];
}

std::size_t DepthBucket(int depth) {
  return std::min(static_cast<std::size_t>(std::max(depth, 1)), kDepthBuckets) - 1;
}

void AddTrial(bool hit, AcceptanceCount* count) {
  count->trials += 1;
  if (hit) count->hits += 1;
}

void SharedAcceptance::Add(std::span<const Trial> trials) {
  const MutexLock lock(mutex_);
  for (const Trial& trial : trials) {
    AddFading(trial.hit, &counts_.any_depth[trial.candidate_class]);
    AddFading(trial.hit, &counts_.by_depth[trial.depth_bucket][trial.candidate_class]);
  }
}

SharedAcceptance::Counts SharedAcceptance::Read() const {
  const MutexLock lock(mutex_);
  return counts_;
}

AcceptanceTable Estimate(const SharedAcceptance::Counts& shared, const ClassCounts& sequence) {
  AcceptanceTable table;
  for (std::size_t c = 0; c < kClasses; ++c) {
    const double any =
        Shrunk(shared.any_depth[c], PriorOf(static_cast<std::uint8_t>(c)), kPriorTrials);
    for (std::size_t depth = 0; depth < kDepthBuckets; ++depth) {
      const double at = Shrunk(shared.by_depth[depth][c], any, kDepthTrials);
      table[depth][c] = Shrunk(sequence[c], at, kSequenceTrials);
    }
  }
  return table;
}

}  // namespace recycling::drafter
