// Checks of what a verifier answers, before the loop believes it. A verifier is trusted with the
// choice of tokens and with nothing else: each function returns OK, or Internal saying what, got,
// expected.
#ifndef RECYCLING_GATEWAY_CLIENTS_VERIFIER_ANSWERS_H_
#define RECYCLING_GATEWAY_CLIENTS_VERIFIER_ANSWERS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "gateway/clients/verifier_client.h"

namespace recycling::gateway {

// `open` was answered by `opened`: base counts its tokens, candidates are whole rows of no more
// tokens than were prefilled.
absl::Status CheckOpened(const OpenSequence& open, const SequenceOpened& opened);

// `asked` was answered by `verified`: same step and base; at least one token, all of them in the
// vocabulary; one accepted node fewer than tokens, the nodes a path from the root whose tokens were
// emitted; candidates of every row of the pass or none; a log-probability of every token or,
// unless `want_logprobs`, none.
absl::Status CheckVerified(const VerifyStep& asked, const StepVerified& verified,
                           std::uint32_t vocab_size, bool want_logprobs);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_VERIFIER_ANSWERS_H_
