// The gateway's view of a verifier: one session per sequence. Tests replace it by a mock or a fake;
// the real one speaks gRPC (grpc_verifier_client.h).
#ifndef RECYCLING_GATEWAY_CLIENTS_VERIFIER_CLIENT_H_
#define RECYCLING_GATEWAY_CLIENTS_VERIFIER_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/trace_context.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/model_identity.h"
#include "common/decoding/sampling_options.h"
#include "common/decoding/token_id.h"

namespace recycling::gateway {

// What the verifier says a pass costs by its number of rows.
struct PassCost {
  std::uint32_t rows = 0;
  absl::Duration duration;

  bool operator==(const PassCost&) const = default;
};

// What a sequence's passes do for others, as the verifier says: means over its last ones, finite
// and not negative; all zero for a sequence that is alone.
struct OtherLoad {
  double rows = 0;    // of other sequences' steps in a pass with it
  double tokens = 0;  // that others are given from the end of one of its passes to the next one's
  absl::Duration passes;  // that others have between one of its passes and the next
};

// What a verifier says of itself in the handshake.
struct VerifierInfo {
  ModelIdentity model;
  std::uint32_t context_length = 0;
  std::uint32_t k = 0;
  int max_tree_nodes = 0;
  std::uint32_t max_sequences = 0;
  std::string numerics_id;
  std::string build;
  std::string kernel;
  std::string model_description;
  std::vector<TokenId> eos_token_ids;
  bool draining = false;             // takes no new sequences, lets those it has go on for a while
  std::uint32_t open_sequences = 0;  // at that moment, of all gateways
  std::uint32_t page_tokens = 0;     // in a page of its key-value cache; 0: not said
};

struct OpenSequence {
  std::vector<TokenId> prompt_ids;     // at least one
  std::vector<TokenId> generated_ids;  // emitted before the sequence moved here
  SamplingOptions sampling;            // seed set where temperature > 0
  std::uint32_t learn_last = 0;  // candidates of the last so many prefilled tokens; UINT32_MAX: all
  bool want_candidates = true;
  std::string tenant;  // at most 128 bytes
};

struct SequenceOpened {
  std::uint32_t base = 0;        // committed tokens, root included
  Candidates prompt_candidates;  // rows [base - 1 - rows, base - 1)
  std::uint32_t cached_tokens = 0;
  // Rows ascending from at least 1, durations above 0 and not descending; empty: not known.
  std::vector<PassCost> pass_costs;
};

struct VerifyStep {
  std::uint64_t step = 0;
  std::uint32_t base = 0;
  std::optional<DraftTree> tree;  // absent: a plain step
};

struct StepVerified {
  std::uint64_t step = 0;
  std::uint32_t base = 0;
  std::vector<TokenId> tokens;         // accepted draft tokens and the bonus; at least one
  std::vector<int> accepted_nodes;     // one fewer than tokens
  Candidates candidates;               // of every verified row, root first; empty unless wanted
  std::vector<TokenLogprob> logprobs;  // as many as tokens, or none
  bool draft_ignored = false;
  std::optional<int> verified_nodes;  // beside the root, the first so many of the tree; absent: all
  absl::Duration forward;
  absl::Duration queue;              // waiting for its turn
  absl::Duration inside;             // queue, forward and choosing behind it
  std::vector<PassCost> pass_costs;  // as in SequenceOpened
  OtherLoad others;
};

// One sequence at one verifier; destroying it closes the stream and so frees the slot.
// Call order: Open (Verify | VerifyWhile)*. Threads: calls one at a time; Cancel may come from any
// thread at any time.
class VerifierSession {
 public:
  virtual ~VerifierSession() = default;

  // Open and VerifyWhile block until the verifier has answered, the session is cancelled
  // (Cancelled) or its deadline has passed (DeadlineExceeded). A lost peer is Unavailable, a peer
  // that breaks the protocol is Internal. After an error the session is of no more use.
  virtual absl::StatusOr<SequenceOpened> Open(const OpenSequence& open) = 0;

  // Sends `step`, then calls `meanwhile` once on this thread, then waits for the answer. So what
  // `meanwhile` does overlaps with the verifier's work.
  virtual absl::StatusOr<StepVerified> VerifyWhile(const VerifyStep& step,
                                                   absl::FunctionRef<void()> meanwhile) = 0;

  // The same, with nothing to do meanwhile.
  absl::StatusOr<StepVerified> Verify(const VerifyStep& step) {
    return VerifyWhile(step, [] {});
  }

  // Makes a running or later call return Cancelled.
  virtual void Cancel() = 0;
};

// One verifier. Threads: any.
class VerifierClient {
 public:
  virtual ~VerifierClient() = default;

  // Never blocks for long; failures surface in Open. `deadline` bounds the whole session; the peer
  // hears of `origin`, for its logs.
  virtual std::unique_ptr<VerifierSession> NewSession(absl::Time deadline,
                                                      const CallOrigin& origin) = 0;

  virtual const VerifierInfo& info() const = 0;
  virtual const std::string& address() const = 0;

  // Sequences should go on elsewhere, if there is a place: it drains, or is no longer wanted. May
  // change at any time.
  virtual bool leaving() const { return false; }
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_VERIFIER_CLIENT_H_
