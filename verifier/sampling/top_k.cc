#include "verifier/sampling/top_k.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "verifier/kernels/float_math.h"
#include "verifier/kernels/vector_kernels.h"

namespace recycling::verifier {
namespace {

// A number that is larger for a higher logit and, for equal logits, for the lower id. NaN gives the
// smallest number. The number is one integer, so that any two bit patterns can be compared.
std::uint64_t OrderKey(float logit, TokenId id) {
  std::uint32_t order = 0;
  if (!std::isnan(logit)) {
    const auto bits = std::bit_cast<std::uint32_t>(logit + 0.0f);  // -0 becomes +0
    order = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  }
  return (std::uint64_t{order} << 32) | ~id;
}

}  // namespace

void TopK(std::span<const float> logits, std::span<TokenId> ids) {
  static const VectorKernels& kernels = VectorKernelsFor(BestInstructionSet());
  constexpr std::size_t kUsual = 64;
  std::array<std::uint64_t, kUsual> few{};
  std::vector<std::uint64_t> many(ids.size() > kUsual ? ids.size() : 0);
  const std::span<std::uint64_t> best =  // keys, highest first; 0 is below every key
      many.empty() ? std::span(few).first(ids.size()) : std::span(many);
  const std::size_t n = logits.size();
  float least = NAN;  // logit of best.back() once `best` is full
  // For equal logits, the lower id comes first.
  for (std::size_t i = kernels.next_above(logits.data(), 0, n, least); i < n;
       i = kernels.next_above(logits.data(), i + 1, n, least)) {
    const std::uint64_t key = OrderKey(logits[i], static_cast<TokenId>(i));
    if (key < best.back()) continue;
    std::size_t at = best.size() - 1;
    for (; at > 0 && best[at - 1] < key; --at) best[at] = best[at - 1];
    best[at] = key;
    if (best.back() != 0) least = logits[~static_cast<TokenId>(best.back())];
  }
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = ~static_cast<TokenId>(best[i]);
}

TokenLogprob LogProbabilities(std::span<const float> logits, TokenId token, std::uint32_t top) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += ExpNonPositive(logit - highest);
  const double log_sum = std::log(sum);
  const auto log_probability = [&](TokenId id) {
    constexpr double kLeast = -std::numeric_limits<float>::max();
    return static_cast<float>(std::max(logits[id] - highest - log_sum, kLeast));
  };
  TokenLogprob result{.token = token, .logprob = log_probability(token), .top = {}};
  std::vector<TokenId> ids(std::min<std::size_t>(top, logits.size()));
  if (!ids.empty()) TopK(logits, ids);
  for (const TokenId id : ids) result.top.emplace_back(id, log_probability(id));
  return result;
}

}  // namespace recycling::verifier
