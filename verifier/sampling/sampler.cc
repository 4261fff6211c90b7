#include "verifier/sampling/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/decoding/check_token.h"
#include "verifier/kernels/float_math.h"
#include "verifier/kernels/vector_kernels.h"
#include "verifier/sampling/philox.h"
#include "verifier/sampling/top_k.h"

namespace recycling::verifier {
namespace {

constexpr double kMasked = -std::numeric_limits<double>::infinity();

absl::Status CheckFinite(std::span<const float> logits) {
  constexpr std::uint32_t kExponent = 0x7F800000;
  // A number that is not finite has an exponent of all ones. The loop has no branch, so that
  // compilers vectorize it.
  std::uint32_t special = 0;
  for (const float logit : logits) {
    special |= ((std::bit_cast<std::uint32_t>(logit) & kExponent) + (1U << 23)) & 0x80000000U;
  }
  if (special == 0) return absl::OkStatus();
  const auto bad = std::find_if_not(logits.begin(), logits.end(),
                                    [](float logit) { return std::isfinite(logit); });
  return absl::InternalError(absl::StrCat("logits: got ", *bad, " for token ", bad - logits.begin(),
                                          ", expected a finite number"));
}

const VectorKernels& Kernels() {  // every build gives the same bits
  static const VectorKernels& kernels = VectorKernelsFor(BestInstructionSet());
  return kernels;
}

// The id of the highest logit; the lowest such id if there are several.
TokenId ArgMax(std::span<const double> logits) {
  const double largest = Kernels().largest(logits.data(), logits.size());
  return static_cast<TokenId>(std::find(logits.begin(), logits.end(), largest) - logits.begin());
}

TokenId ArgMax(std::span<const float> logits) {
  TokenId best = 0;
  TopK(logits, {&best, 1});
  return best;
}

bool HasPenalty(const SamplingOptions& options) {
  return options.repetition_penalty != 1 || options.frequency_penalty != 0 ||
         options.presence_penalty != 0;
}

bool Has(TokenSet set, TokenId token) { return (set[token / 64] >> (token % 64) & 1) != 0; }

// Whether an allowed token is not among the late ids.
bool HasEarlyToken(TokenSet allowed, std::span<const TokenId> late_ids) {
  std::size_t late = 0;
  std::vector<TokenId> distinct(late_ids.begin(), late_ids.end());
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  for (const TokenId token : distinct) late += Has(allowed, token) ? 1 : 0;
  std::size_t all = 0;
  for (const std::uint64_t word : allowed) all += static_cast<std::size_t>(std::popcount(word));
  return all > late;
}

void MaskAllBut(TokenSet allowed, std::vector<double>& logits) {
  for (std::size_t word = 0; word < allowed.size(); ++word) {
    std::uint64_t masked = ~allowed[word];
    for (; masked != 0; masked &= masked - 1) {
      const std::size_t token = word * 64 + static_cast<std::size_t>(std::countr_zero(masked));
      if (token < logits.size()) logits[token] = kMasked;
    }
  }
}

bool MasksLateIds(const SamplingRules& rules, const TokenHistory& history, TokenSet allowed) {
  if (!allowed.empty() && !HasEarlyToken(allowed, rules.late_ids)) return false;
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

// Gives tokens in descending order of probability and sorts only as many as the caller needs. Takes
// tokens from the vocabulary in bands of decreasing probability, and sorts each band in pieces of
// increasing size. Nearly all draws need only the first band.
class DescendingOrder {
 public:
  using Candidate = SamplerScratch::Candidate;

  DescendingOrder(std::span<const double> logits, double highest, double temperature,
                  std::vector<Candidate>& candidates)
      : logits_(logits), highest_(highest), temperature_(temperature), candidates_(candidates) {
    candidates_.clear();
    candidates_.reserve(logits.size());
  }

  // Returns the token at place i, or null if there are not so many unmasked tokens. The result is
  // valid until the next call.
  const Candidate* At(std::size_t i) {
    while (i >= sorted_) {
      if (sorted_ == candidates_.size() && !GatherBand()) return nullptr;
      SortMore();
    }
    return &candidates_[i];
  }

  double Weight(const Candidate& candidate) const {
    return ExpNonPositive((candidate.logit - highest_) / temperature_);
  }

 private:
  static bool Before(const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
  }

  // True if one of 32 logits is in [above, below). The loop has no branch, so that compilers
  // vectorize it.
  static bool AnyInBand(const double* logits, double above, double below) {
    std::uint64_t any = 0;
    for (int i = 0; i < 32; ++i) {
      any |= static_cast<std::uint64_t>(logits[i] >= above) &
             static_cast<std::uint64_t>(logits[i] < below);
    }
    return any != 0;
  }

  // Adds bands until a band has tokens. Returns false if no unmasked token is left.
  bool GatherBand() {
    constexpr double kBands[] = {4, 16, 64};  // the first band has weights of at least e^-4
    while (band_ <= std::size(kBands) && sorted_ == candidates_.size()) {
      const double below = above_;
      above_ = band_ < std::size(kBands) ? highest_ - temperature_ * kBands[band_]
                                         : std::numeric_limits<double>::lowest();
      ++band_;
      constexpr std::size_t kAtOnce = 32;
      for (std::size_t begin = 0; begin < logits_.size(); begin += kAtOnce) {
        const std::size_t end = std::min(begin + kAtOnce, logits_.size());
        if (end - begin == kAtOnce && !AnyInBand(&logits_[begin], above_, below)) continue;
        for (std::size_t id = begin; id < end; ++id) {
          if (logits_[id] >= above_ && logits_[id] < below) {
            candidates_.push_back({logits_[id], static_cast<TokenId>(id)});
          }
        }
      }
    }
    return sorted_ < candidates_.size();
  }

  void SortMore() {
    const auto at = [this](std::size_t i) {
      return candidates_.begin() + static_cast<std::ptrdiff_t>(i);
    };
    const std::size_t end = std::min(candidates_.size(), std::max<std::size_t>(64, 4 * sorted_));
    std::nth_element(at(sorted_), at(end), candidates_.end(), Before);
    std::sort(at(sorted_), at(end), Before);
    sorted_ = end;
  }

  const std::span<const double> logits_;
  const double highest_;
  const double temperature_;
  std::vector<Candidate>& candidates_;
  std::size_t sorted_ = 0;
  std::size_t band_ = 0;
  double above_ = std::numeric_limits<double>::infinity();
};

// The sum of the weights of the `count` most probable tokens, added in order of ids. Puts these
// tokens into `kept`.
double SumOfMostProbable(std::size_t count, DescendingOrder& order,
                         std::vector<SamplerScratch::Candidate>& kept) {
  kept.clear();
  for (const auto* token = order.At(0); token != nullptr && kept.size() < count;
       token = order.At(kept.size())) {
    kept.push_back(*token);
  }
  std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  double sum = 0;
  for (const auto& token : kept) sum += order.Weight(token);
  return sum;
}

// The sum of all weights, added in order of ids.
double SumOfAll(std::span<const double> logits, double highest, double temperature) {
  constexpr std::size_t kAtOnce = 256;
  double weights[kAtOnce];
  double sum = 0;
  while (!logits.empty()) {
    const std::size_t count = std::min(kAtOnce, logits.size());
    Kernels().weights(logits.data(), count, highest, temperature, weights);
    for (std::size_t i = 0; i < count; ++i) sum += weights[i];
    logits = logits.subspan(count);
  }
  return sum;
}

// Requires temperature > 0, and at least one token that is not masked.
TokenId Draw(const SamplingRules& rules, std::uint64_t position, double highest,
             SamplerScratch& scratch) {
  const SamplingOptions& options = rules.options;
  DescendingOrder order(scratch.adjusted, highest, options.temperature, scratch.candidates);
  std::size_t kept = scratch.adjusted.size();
  double sum = 0;  // sum of weights of the `kept` most probable tokens
  if (options.top_k > 0 && options.top_k < kept) {
    kept = options.top_k;
    sum = SumOfMostProbable(kept, order, scratch.kept);
  } else {
    sum = SumOfAll(scratch.adjusted, highest, options.temperature);
  }
  if (options.top_p < 1 || options.min_p > 0) {
    const double enough = options.top_p < 1 ? options.top_p * sum : HUGE_VAL;
    const std::size_t most = kept;
    sum = 0;
    for (kept = 0; kept < most && sum < enough; ++kept) {
      const auto* token = order.At(kept);
      const double weight = token != nullptr ? order.Weight(*token) : 0;
      if (weight == 0 || weight < options.min_p) break;
      sum += weight;
    }
  }
  const double target = UniformAt(rules.seed, position) * sum;
  double running = 0;
  TokenId chosen = order.At(0)->id;
  for (std::size_t i = 0; i < kept && running <= target; ++i) {
    const auto* token = order.At(i);
    const double weight = token != nullptr ? order.Weight(*token) : 0;
    if (weight == 0) break;  // rounding has kept the running sum at or below the target
    running += weight;
    chosen = token->id;
  }
  return chosen;
}

}  // namespace

absl::StatusOr<SamplingRules> SamplingRules::Create(const SamplingOptions& options,
                                                    std::span<const TokenId> eos_ids,
                                                    std::uint32_t vocab_size) {
  RETURN_IF_ERROR(ValidateSamplingOptions(options, vocab_size));
  RETURN_IF_ERROR(CheckTokens("end-of-sequence", eos_ids, vocab_size));
  if (options.temperature > 0 && !options.seed.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("seed: got none, expected a seed for temperature ", options.temperature));
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
                                    SamplerScratch& scratch, TokenSet allowed) {
  RETURN_IF_ERROR(CheckFinite(logits));
  const SamplingOptions& options = rules.options;
  const bool masks = MasksLateIds(rules, history, allowed);
  const bool greedy = options.temperature == 0;
  if (greedy && !masks && allowed.empty() && options.logit_bias.empty() && !HasPenalty(options)) {
    return ArgMax(logits);
  }
  scratch.adjusted.assign(logits.begin(), logits.end());
  for (const auto& [token, bias] : options.logit_bias) scratch.adjusted[token] += bias;
  if (HasPenalty(options)) ApplyPenalties(history, options, scratch.adjusted, scratch.counts);
  if (masks) {
    for (const TokenId token : rules.late_ids) scratch.adjusted[token] = kMasked;
  }
  MaskAllBut(allowed, scratch.adjusted);
  const TokenId best = ArgMax(std::span<const double>(scratch.adjusted));
  if (scratch.adjusted[best] == kMasked && !allowed.empty()) {
    return absl::FailedPreconditionError(
        "constraint: no token of the vocabulary can follow the text");
  }
  if (scratch.adjusted[best] == kMasked) {
    return absl::FailedPreconditionError(
        absl::StrCat("min_tokens: got ", options.min_tokens, " and a mask of all ", logits.size(),
                     " tokens, expected at least one token without a mask"));
  }
  if (greedy) return best;
  return Draw(rules, position, scratch.adjusted[best], scratch);
}

}  // namespace recycling::verifier
