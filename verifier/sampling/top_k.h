// Top-k candidates and log-probabilities of raw logits, before any sampling option is applied.
#ifndef RECYCLING_VERIFIER_SAMPLING_TOP_K_H_
#define RECYCLING_VERIFIER_SAMPLING_TOP_K_H_

#include <cstdint>
#include <span>

#include "common/decoding/sampling_options.h"
#include "common/decoding/token_id.h"

namespace recycling::verifier {

// Writes the ids of the ids.size() highest logits to `ids`, highest logit first; for equal logits
// the lower id comes first. NaN counts as the lowest logit. Requires 1 <= ids.size() <=
// logits.size(). The time is O(vocab + k * n), where n is how often a logit enters the best k so
// far.
void TopK(std::span<const float> logits, std::span<TokenId> ids);

// Returns the natural log-probabilities of `token` and of the `top` most probable tokens under
// softmax(logits). They are computed in double precision, and the sum is added in order of ids.
// They are finite and at most 0. Requires finite logits and token < logits.size(). `top` is limited
// to logits.size().
TokenLogprob LogProbabilities(std::span<const float> logits, TokenId token, std::uint32_t top);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SAMPLING_TOP_K_H_
