// Chooses a token from logits. The choice depends only on the logits, the tokens before it, the
// options, the seed and the absolute position. So the output with drafting is equal to the output
// without drafting.
//
// Order: logit bias, repetition penalty (prompt and output), frequency and presence penalty
// (output), min_tokens mask, mask of the constraint, temperature, top_k, top_p, min_p, one draw.
// All arithmetic is in double precision, in which finite float logits stay finite in every step. It
// gives the same bits on every machine.
// - "Order of probability" means descending order of adjusted logits; of equal logits the lower id
//   comes first.
// - top_k, top_p and min_p are applied in this order, each to the tokens that are left.
// - The sum of all weights is added in order of ids, running sums in order of probability.
// - The draw chooses the first token whose running sum exceeds UniformAt(seed, position) * sum.
#ifndef RECYCLING_VERIFIER_SAMPLING_SAMPLER_H_
#define RECYCLING_VERIFIER_SAMPLING_SAMPLER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "common/decoding/sampling_options.h"
#include "common/decoding/token_id.h"

namespace recycling::verifier {

// The checked sampling options of one sequence, together with the model's end-of-sequence ids.
struct SamplingRules {
  // Returns InvalidArgument if an option (ValidateSamplingOptions) or an id of `eos_ids` is out of
  // range, or if temperature is above 0 and there is no seed.
  static absl::StatusOr<SamplingRules> Create(const SamplingOptions& options,
                                              std::span<const TokenId> eos_ids,
                                              std::uint32_t vocab_size);

  // True if `token` ends the output.
  bool Stops(TokenId token) const;

  SamplingOptions options;
  std::uint64_t seed = 0;
  std::vector<TokenId> stop_ids;  // stop_token_ids, and end-of-sequence ids unless ignore_eos
  std::vector<TokenId> late_ids;  // masked until min_tokens: stop_token_ids and end-of-sequence ids
};

// The tokens before the token to choose, oldest first. Every id must be less than the size of the
// vocabulary.
struct TokenHistory {
  std::span<const TokenId> prompt;
  std::span<const TokenId> generated;  // emitted and committed
  std::span<const TokenId> path;       // accepted in this step
};

// Memory that calls reuse. Its contents never change a choice. Not thread-safe.
struct SamplerScratch {
  struct Candidate {
    double logit;
    TokenId id;
  };
  std::vector<double> adjusted;       // [vocab]
  std::vector<Candidate> candidates;  // at most [vocab]
  std::vector<Candidate> kept;        // at most [vocab]
  std::vector<std::uint32_t> counts;  // [vocab], zero between calls
};

// A set of tokens: bit i of word w is token 64 w + i.
using TokenSet = std::span<const std::uint64_t>;

// Returns the token for `position`. `allowed`: the tokens of a constraint; empty: all. If the
// min_tokens mask leaves none of them, the mask does not count. Returns Internal if a logit is not
// finite, and FailedPrecondition if no token is left.
absl::StatusOr<TokenId> ChooseToken(std::span<const float> logits, const TokenHistory& history,
                                    const SamplingRules& rules, std::uint64_t position,
                                    SamplerScratch& scratch, TokenSet allowed = {});

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SAMPLING_SAMPLER_H_
