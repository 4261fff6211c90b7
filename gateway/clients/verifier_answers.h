// Checks a verifier's answers before the loop uses them. A verifier is trusted to choose tokens,
// and with nothing else. Each function returns OK, or Internal saying what, got, expected.
#ifndef RECYCLING_GATEWAY_CLIENTS_VERIFIER_ANSWERS_H_
#define RECYCLING_GATEWAY_CLIENTS_VERIFIER_ANSWERS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "gateway/clients/verifier_client.h"

namespace recycling::gateway {

// Checks `opened`, the answer to `open`: base is the number of its tokens, and the candidates are
// whole rows, no more of them than tokens were prefilled.
absl::Status CheckOpened(const OpenSequence& open, const SequenceOpened& opened);

// Checks `verified`, the answer to `asked`:
//  - step and base are equal;
//  - there is at least one token, and every token is in the vocabulary;
//  - there is one accepted node fewer than tokens, and the accepted nodes are a path from the root
//    whose tokens were emitted;
//  - there are candidates of every row of the pass, or none;
//  - there is a log-probability of every token, or none unless `want_logprobs`.
absl::Status CheckVerified(const VerifyStep& asked, const StepVerified& verified,
                           std::uint32_t vocab_size, bool want_logprobs);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_VERIFIER_ANSWERS_H_
