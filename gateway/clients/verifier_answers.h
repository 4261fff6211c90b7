// Checks a verifier's answers before the loop uses them. The gateway trusts a verifier's choice of
// tokens, and nothing else. Each function returns OK, or Internal with the name, the value and the
// expected value of the wrong field.
#ifndef RECYCLING_GATEWAY_CLIENTS_VERIFIER_ANSWERS_H_
#define RECYCLING_GATEWAY_CLIENTS_VERIFIER_ANSWERS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "gateway/clients/verifier_client.h"

namespace recycling::gateway {

// Checks `opened`, the answer to `open`. `base` must be the number of tokens in `open`. The
// candidates must be whole rows, and there must not be more rows than prefilled tokens or than
// `learn_last`. `cached_tokens` must be less than `base`.
absl::Status CheckOpened(const OpenSequence& open, const SequenceOpened& opened);

// Checks `verified`, the answer to `asked`:
//  - step and base are those of `asked`;
//  - there is at least one token, and every token is in the vocabulary;
//  - there is one accepted node fewer than there are tokens; the accepted nodes are a path from the
//    root, and their tokens are the first of `verified.tokens`;
//  - there are candidates of every verified row, or no candidates;
//  - there is a log-probability of every token; without `want_logprobs` there may also be none.
absl::Status CheckVerified(const VerifyStep& asked, const StepVerified& verified,
                           std::uint32_t vocab_size, bool want_logprobs);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_VERIFIER_ANSWERS_H_
