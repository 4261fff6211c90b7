// Top-k candidates and log-probabilities of raw logits, before any sampling option is applied.
#ifndef RECYCLING_VERIFIER_SAMPLING_TOP_K_H_
#define RECYCLING_VERIFIER_SAMPLING_TOP_K_H_

#include <cstdint>
#include <span>

#include "common/decoding/sampling_options.h"
#include "common/decoding/token_id.h"

namespace recycling::verifier {

// Writes the ids of the ids.size() highest logits to `ids`: highest first, ties by lower id; NaN
// counts as lowest. Requires 1 <= ids.size() <= logits.size(). Takes O(vocab + k * n) time, where n
// is how often a logit enters the best k so far.
void TopK(std::span<const float> logits, std::span<TokenId> ids);

// Log-probabilities (natural) of `token` and of the `top` most probable tokens under
// softmax(logits), computed in double with the sum taken in order of ids; finite and at most 0.
// Requires finite logits and token < logits.size(); `top` is cut to logits.size().
TokenLogprob LogProbabilities(std::span<const float> logits, TokenId token, std::uint32_t top);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SAMPLING_TOP_K_H_
