#include "verifier/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "verifier/philox.h"

namespace recycling::verifier {
namespace {

constexpr double kMasked = -std::numeric_limits<double>::infinity();

absl::Status CheckFinite(std::span<const float> logits) {
  constexpr std::uint32_t kExponent = 0x7F800000;
  bool finite = true;
  for (const float logit : logits)
    finite &= (std::bit_cast<std::uint32_t>(logit) & kExponent) != kExponent;
  if (finite) return absl::OkStatus();
  const auto bad = std::find_if_not(logits.begin(), logits.end(),
                                    [](float logit) { return std::isfinite(logit); });
  return absl::InternalError(absl::StrCat("logits: got ", *bad, " for token ", bad - logits.begin(),
                                          ", expected a finite number"));
}

// First of the highest, so that ties go to the lower id.
template <typename T>
TokenId ArgMax(std::span<const T> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

bool HasPenalty(const SamplingOptions& options) {
  return options.repetition_penalty != 1 || options.frequency_penalty != 0 ||
         options.presence_penalty != 0;
}

bool MasksLateIds(const SamplingRules& rules, const TokenHistory& history) {
  return history.generated.size() + history.path.size() < rules.options.min_tokens;
}

void ApplyPenalties(const TokenHistory& history, const SamplingOptions& options,
                    std::vector<double>& logits, std::vector<std::uint32_t>& counts) {
  counts.resize(logits.size(), 0);
  const auto spans = {history.prompt, history.generated, history.path};
  for (const auto span : {history.generated, history.path}) {
    for (const TokenId token : span) ++counts[token];
  }
  constexpr std::uint32_t kDone = std::numeric_limits<std::uint32_t>::max();
  for (const auto span : spans) {
    for (const TokenId token : span) {
      const std::uint32_t count = counts[token];
      if (count == kDone) continue;
      double& logit = logits[token];
      const double repetition = options.repetition_penalty;
      logit = logit > 0 ? logit / repetition : logit * repetition;
      logit -= static_cast<double>(options.frequency_penalty) * count;
      if (count > 0) logit -= options.presence_penalty;
      counts[token] = kDone;
    }
  }
  for (const auto span : spans) {
    for (const TokenId token : span) counts[token] = 0;
  }
}

// Hands out candidates in order of probability and sorts no more of them than are asked for.
class DescendingOrder {
 public:
  using Candidate = SamplerScratch::Candidate;

  explicit DescendingOrder(std::vector<Candidate>& candidates) : candidates_(candidates) {}

  std::size_t size() const { return candidates_.size(); }

  // Requires i < size().
  TokenId operator[](std::size_t i) {
    while (i >= sorted_) Extend();
    return candidates_[i].id;
  }

  // Drops all but the `count` most probable candidates.
  void Keep(std::size_t count) {
    if (count >= size()) return;
    std::nth_element(candidates_.begin(), At(count), candidates_.end(), Before);
    candidates_.resize(count);
  }

 private:
  static bool Before(const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  }

  std::vector<Candidate>::iterator At(std::size_t i) {
    return candidates_.begin() + static_cast<std::ptrdiff_t>(i);
  }

  void Extend() {
    const std::size_t end = std::min(size(), std::max<std::size_t>(64, 4 * sorted_));
    if (end < size()) std::nth_element(At(sorted_), At(end), candidates_.end(), Before);
    std::sort(At(sorted_), At(end), Before);
    sorted_ = end;
  }

  std::vector<Candidate>& candidates_;
  std::size_t sorted_ = 0;
};

// Requires temperature > 0 and a highest adjusted logit above kMasked.
TokenId Draw(const SamplingRules& rules, std::uint64_t position, double highest,
             SamplerScratch& scratch) {
  const SamplingOptions& options = rules.options;
  const std::size_t vocab_size = scratch.adjusted.size();
  scratch.candidates.clear();
  for (TokenId id = 0; id < vocab_size; ++id) {
    if (scratch.adjusted[id] != kMasked) scratch.candidates.push_back({scratch.adjusted[id], id});
  }
  DescendingOrder order(scratch.candidates);
  if (options.top_k > 0) order.Keep(options.top_k);

  // Weights of what top_k has left, relative to the most probable token's, whose weight is 1.
  scratch.weights.assign(vocab_size, 0);
  for (const auto& candidate : scratch.candidates) {
    scratch.weights[candidate.id] = std::exp((candidate.logit - highest) / options.temperature);
  }
  double sum = 0;
  for (const double weight : scratch.weights) sum += weight;

  const auto weight = [&](std::size_t i) { return scratch.weights[order[i]]; };
  std::size_t kept = order.size();
  if (options.top_p < 1 || options.min_p > 0) {
    const double enough = options.top_p < 1 ? options.top_p * sum : HUGE_VAL;
    sum = 0;
    for (kept = 0; kept < order.size() && sum < enough; ++kept) {
      const double w = weight(kept);
      if (w == 0 || w < options.min_p) break;
      sum += w;
    }
  }

  const double target = UniformAt(rules.seed, position) * sum;
  double running = 0;
  TokenId chosen = order[0];
  for (std::size_t i = 0; i < kept && running <= target; ++i) {
    const double w = weight(i);
    if (w == 0) break;  // rounding left the running sum below the target; the rest has no weight
    running += w;
    chosen = order[i];
  }
  return chosen;
}

}  // namespace

absl::StatusOr<SamplingRules> SamplingRules::Create(const SamplingOptions& options,
                                                    std::span<const TokenId> eos_ids,
                                                    std::uint32_t vocab_size) {
  RETURN_IF_ERROR(ValidateSamplingOptions(options, vocab_size));
  if (options.temperature > 0 && !options.seed.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "seed: got none, expected one where temperature is above 0; it is ", options.temperature));
  }
  SamplingRules rules;
  rules.options = options;
  rules.seed = options.seed.value_or(0);
  rules.stop_ids = options.stop_token_ids;
  rules.late_ids = options.stop_token_ids;
  rules.late_ids.insert(rules.late_ids.end(), eos_ids.begin(), eos_ids.end());
  if (!options.ignore_eos) rules.stop_ids = rules.late_ids;
  return rules;
}

bool SamplingRules::Stops(TokenId token) const {
  return std::find(stop_ids.begin(), stop_ids.end(), token) != stop_ids.end();
}

absl::StatusOr<TokenId> ChooseToken(std::span<const float> logits, const TokenHistory& history,
                                    const SamplingRules& rules, std::uint64_t position,
                                    SamplerScratch& scratch) {
  RETURN_IF_ERROR(CheckFinite(logits));
  const SamplingOptions& options = rules.options;
  const bool masks = MasksLateIds(rules, history);
  const bool greedy = options.temperature == 0;
  if (greedy && !masks && options.logit_bias.empty() && !HasPenalty(options)) {
    return ArgMax(logits);
  }
  scratch.adjusted.assign(logits.begin(), logits.end());
  for (const auto& [token, bias] : options.logit_bias) scratch.adjusted[token] += bias;
  if (HasPenalty(options)) ApplyPenalties(history, options, scratch.adjusted, scratch.counts);
  if (masks) {
    for (const TokenId token : rules.late_ids) scratch.adjusted[token] = kMasked;
  }
  const TokenId best = ArgMax(std::span<const double>(scratch.adjusted));
  if (scratch.adjusted[best] == kMasked) {
    return absl::FailedPreconditionError(
        absl::StrCat("min_tokens: got ", options.min_tokens, " and a mask of all ", logits.size(),
                     " tokens, expected at least one that may be chosen"));
  }
  if (greedy) return best;
  return Draw(rules, position, scratch.adjusted[best], scratch);
}

}  // namespace recycling::verifier
