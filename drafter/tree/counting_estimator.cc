#include "drafter/tree/counting_estimator.h"

#include <algorithm>
#include <array>

namespace recycling::drafter {
namespace {

// The prior of the first candidate of a row, if it followed once, twice, or more often.
constexpr std::array<double, 3> kFirstFollowedPrior = {0.48, 0.65, 0.8};
// The prior of a candidate is multiplied by this factor if another token followed more than once.
constexpr double kOtherOften = 0.5;

}  // namespace

CountingEstimator::CountingEstimator(const CandidateSources& sources, SharedAcceptance* shared)
    : shared_(shared), priors_(kJointKinds) {
  for (std::size_t j = 0; j < sources.size(); ++j) {
    const Known known = {.source = j, .bit = 1u << j};
    switch (sources[j]->origin()) {
      case DraftSource::kMatrix:
        matrix_ = known;
        break;
      case DraftSource::kRecent:
        recent_ = known;
        break;
      case DraftSource::kSequence:
        history_ = known;
        break;
      default:
        lone_.push_back({.source = j, .first_kind = static_cast<std::uint16_t>(priors_.size())});
        for (std::size_t c = 0; c < sources[j]->classes(); ++c) {
          priors_.push_back(sources[j]->Prior(static_cast<std::uint8_t>(c)));
        }
        break;
    }
  }
  SetJointPriors(sources);
  sequence_.resize(priors_.size());
  estimates_.resize(priors_.size());
}

void CountingEstimator::SetJointPriors(const CandidateSources& sources) {
  const auto set = [this](FollowClass follow, bool cold, std::uint8_t rank_class, double prior) {
    priors_[JointKind(follow, cold, rank_class)] = prior;
  };
  for (std::uint8_t rank = 0; rank < kRankClasses; ++rank) {
    if (matrix_.bit != 0) {
      const double prior = sources[matrix_.source]->Prior(rank);
      set(FollowClass::kUnseen, false, rank, prior);
      set(FollowClass::kOtherOnce, false, rank, prior);
      set(FollowClass::kOtherOften, false, rank, kOtherOften * prior);
    }
    if (recent_.bit != 0) {
      set(FollowClass::kUnseen, true, rank, sources[recent_.source]->Prior(rank));
    }
  }
  if (history_.bit == 0) return;
  for (std::size_t i = 0; i < kFirstFollowedPrior.size(); ++i) {
    const auto follow = static_cast<std::uint8_t>(static_cast<std::size_t>(FollowClass::kOnce) + i);
    set(static_cast<FollowClass>(follow), false, 0, kFirstFollowedPrior[i]);
    set(static_cast<FollowClass>(follow), false, 1, sources[history_.source]->Prior(follow));
  }
}

inline std::optional<std::uint16_t> CountingEstimator::JointKindOf(
    const Candidate& candidate) const {
  const unsigned named_by = candidate.named_by;
  if ((named_by & (matrix_.bit | recent_.bit | history_.bit)) == 0) return std::nullopt;
  const bool in_row = (named_by & matrix_.bit) != 0;
  const bool cold = !in_row && (named_by & recent_.bit) != 0;
  const auto follow = history_.bit == 0
                          ? FollowClass::kUnseen
                          : static_cast<FollowClass>(candidate.classes[history_.source]);
  const std::uint8_t rank = in_row ? candidate.classes[matrix_.source]
                            : cold ? candidate.classes[recent_.source]
                                   : kNotInRow;
  return JointKind(follow, cold, rank);
}

template <typename Each>
inline void CountingEstimator::ForEachKind(const Candidate& candidate, Each each) const {
  if (const auto kind = JointKindOf(candidate); kind.has_value()) each(*kind);
  for (const auto& [source, first_kind] : lone_) {
    if (!candidate.NamedBy(source)) continue;
    each(static_cast<std::uint16_t>(first_kind + candidate.classes[source]));
  }
}

void CountingEstimator::Prepare() {
  shared_->Read(&counts_);
  EstimateKinds(counts_, priors_, sequence_, estimates_);
}

void CountingEstimator::Estimate(int depth, std::span<Candidate> candidates) const {
  const std::size_t bucket = DepthBucket(depth);
  const KindEstimates* const estimates = estimates_.data();
  for (Candidate& candidate : candidates) {
    double most = 0;
    ForEachKind(candidate, [&most, estimates, bucket](std::uint16_t kind) {
      most = std::max(most, estimates[kind][bucket]);
    });
    candidate.probability = most;
  }
}

void CountingEstimator::Learn(int depth, std::span<const Candidate> candidates, TokenId chosen) {
  const auto bucket = static_cast<std::uint8_t>(DepthBucket(depth));
  for (const Candidate& candidate : candidates) {
    const bool hit = candidate.token == chosen;
    ForEachKind(candidate, [&](std::uint16_t kind) {
      trials_.push_back({.depth_bucket = bucket, .kind = kind, .hit = hit});
      AddTrial(hit, &sequence_[kind]);
    });
  }
}

void CountingEstimator::Publish() {
  shared_->Add(trials_);
  trials_.clear();
}

}  // namespace recycling::drafter
