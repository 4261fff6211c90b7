#include "drafter/tree/mixing_estimator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "drafter/sources/matrix_source.h"
#include "drafter/sources/ranked_row.h"

namespace recycling::drafter {
namespace {

constexpr std::size_t kDepths = 4;       // 1, 2, 3, deeper
constexpr std::size_t kMaskSources = 3;  // mixed sources that have a bit in the mask
constexpr double kPriorTrials = 8;
constexpr double kLowestScore = -9;
constexpr double kHighestScore = 7;
constexpr double kRate = 0.02;
constexpr double kDepthRate = 0.3 * kRate;
constexpr double kWeightRate = 0.25 * kRate;
// The weight of each source, by mask, if there are no prior weights.
constexpr float kFirstWeight = 0.5;

double Logit(double p) { return std::log(p / (1 - p)); }

double Probability(double score) {
  return 1 / (1 + std::exp(-std::clamp(score, kLowestScore, kHighestScore)));
}

}  // namespace

MixingEstimator::MixingEstimator(const CandidateSources& sources, MixingMemory* memory)
    : memory_(memory) {
  for (std::size_t j = 0; j < sources.size(); ++j) {
    if (sources[j]->origin() == DraftSource::kSequence) {
      history_ = j;
      match_classes_ = sources[j]->classes();
      continue;
    }
    mixed_.push_back({.source = j, .first_class = priors_.size()});
    for (std::size_t c = 0; c < sources[j]->classes(); ++c) {
      priors_.push_back(sources[j]->Prior(static_cast<std::uint8_t>(c)));
    }
  }
  masks_ = std::size_t{1} << std::min(mixed_.size(), kMaskSources);
  biases_ = masks_ + match_classes_ + kDepths;
  const std::size_t weights = biases_ + (masks_ + match_classes_) * mixed_.size();
  changes_.weights.resize(weights);
  changes_.classes.resize(priors_.size());
  MixingNumbers first = changes_;
  const MixingNumbers& prior = PriorNumbers();
  if (prior.weights.size() == weights && prior.classes.size() == priors_.size()) {
    first = prior;
  } else {
    // The match decides how much the other sources count. At first all of them count the same.
    std::fill_n(first.weights.begin() + static_cast<std::ptrdiff_t>(biases_),
                masks_ * mixed_.size(), kFirstWeight);
    if (history_ != kMaxSources) {
      for (std::size_t c = 0; c < match_classes_; ++c) {
        const double prior_of_class = sources[history_]->Prior(static_cast<std::uint8_t>(c));
        first.weights[masks_ + c] = static_cast<float>(0.5 * (Logit(prior_of_class) + 3));
      }
    }
  }
  memory_->Begin(first);
  Prepare();
}

void MixingEstimator::Prepare() {
  memory_->Read(&numbers_);
  SetEvidence();
}

void MixingEstimator::SetEvidence() {
  evidence_.resize(priors_.size());
  for (std::size_t i = 0; i < priors_.size(); ++i) {
    const ClassCount& count = numbers_.classes[i];
    const double rate = (count.hits + kPriorTrials * priors_[i]) / (count.trials + kPriorTrials);
    evidence_[i] = Logit(std::clamp(rate, 1e-4, 0.999));
  }
}

MixingEstimator::Places MixingEstimator::PlacesOf(int depth, const Candidate& candidate) const {
  std::size_t mask = 0;
  for (std::size_t j = 0; j < std::min(mixed_.size(), kMaskSources); ++j) {
    if (candidate.AnsweredBy(mixed_[j].source)) mask |= std::size_t{1} << j;
  }
  const std::size_t match = history_ == kMaxSources ? 0 : candidate.classes[history_];
  const std::size_t deep =
      static_cast<std::size_t>(std::clamp(depth, 1, static_cast<int>(kDepths)));
  return {.mask_bias = mask,
          .match_bias = masks_ + match,
          .depth_bias = masks_ + match_classes_ + deep - 1,
          .mask_weights = biases_ + mask * mixed_.size(),
          .match_weights = biases_ + (masks_ + match) * mixed_.size()};
}

double MixingEstimator::Score(const Places& places, const Candidate& candidate) const {
  const float* const weights = numbers_.weights.data();
  double score =
      double{weights[places.mask_bias]} + weights[places.match_bias] + weights[places.depth_bias];
  for (std::size_t j = 0; j < mixed_.size(); ++j) {
    const auto& [source, first_class] = mixed_[j];
    if (!candidate.AnsweredBy(source)) continue;
    score += (double{weights[places.mask_weights + j]} + weights[places.match_weights + j]) *
             evidence_[first_class + candidate.classes[source]];
  }
  return score;
}

void MixingEstimator::Estimate(int depth, std::span<Candidate> candidates) const {
  double sum = 0;
  for (Candidate& candidate : candidates) {
    candidate.probability = Probability(Score(PlacesOf(depth, candidate), candidate));
    sum += candidate.probability;
  }
  if (sum <= 1) return;
  for (Candidate& candidate : candidates) candidate.probability /= sum;
}

void MixingEstimator::Learn(int depth, std::span<const Candidate> candidates, TokenId chosen) {
  for (const Candidate& candidate : candidates) {
    const bool hit = candidate.token == chosen;
    const Places places = PlacesOf(depth, candidate);
    const double error = (hit ? 1 : 0) - Probability(Score(places, candidate));
    const auto change = [this](std::size_t place, double by) {
      numbers_.weights[place] += static_cast<float>(by);
      changes_.weights[place] += static_cast<float>(by);
    };
    change(places.mask_bias, kRate * error);
    change(places.match_bias, kRate * error);
    change(places.depth_bias, kDepthRate * error);
    for (std::size_t j = 0; j < mixed_.size(); ++j) {
      const auto& [source, first_class] = mixed_[j];
      if (!candidate.AnsweredBy(source)) continue;
      const std::size_t at = first_class + candidate.classes[source];
      change(places.mask_weights + j, kWeightRate * error * evidence_[at]);
      change(places.match_weights + j, kWeightRate * error * evidence_[at]);
      changes_.classes[at].trials += 1;
      changes_.classes[at].hits += hit ? 1 : 0;
    }
  }
}

void MixingEstimator::Publish() {
  memory_->Add(changes_, &numbers_);
  SetEvidence();
  std::fill(changes_.weights.begin(), changes_.weights.end(), 0.0F);
  std::fill(changes_.classes.begin(), changes_.classes.end(), ClassCount{});
}

MixingNumbers WithBaseRowClasses(MixingNumbers numbers) {
  constexpr std::size_t kBaseClasses = kRankClasses + 1;
  // After the classes of the PairSource and those that the MatrixSource had before.
  constexpr std::ptrdiff_t kPlace = (kRankClasses + 1) + MatrixSource::kFirstBaseClass;
  const MixingNumbers& today = PriorNumbers();
  if (numbers.weights.size() == today.weights.size() &&
      numbers.classes.size() + kBaseClasses == today.classes.size()) {
    numbers.classes.insert(numbers.classes.begin() + kPlace, kBaseClasses, ClassCount{});
  }
  return numbers;
}

}  // namespace recycling::drafter
