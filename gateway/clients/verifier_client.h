// A verifier as the gateway sees it: one session per sequence. The real implementation speaks gRPC
// (grpc_verifier_client.h); tests use a mock or a fake.
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

// The duration of a pass with this many rows, as the verifier measured it.
struct PassCost {
  std::uint32_t rows = 0;
  absl::Duration duration;

  bool operator==(const PassCost&) const = default;
};

// The work that a verifier does for other sequences while it serves one sequence. Each value is a
// mean over the last passes of this sequence, finite and at least 0. All values are 0 if the
// sequence is alone.
struct OtherLoad {
  // Rows of other sequences in a pass of this sequence.
  double rows = 0;
  // Tokens that other sequences get from the end of a pass of this sequence to the end of its next
  // pass.
  double tokens = 0;
  // Total time of other sequences' passes between two passes of this sequence.
  absl::Duration passes;
};

// The data about a verifier that it sends in the handshake.
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
  bool draining = false;             // takes no new sequences; running ones may go on for a while
  std::uint32_t open_sequences = 0;  // those of all gateways at the handshake
  std::uint32_t page_tokens = 0;     // in a page of its KV cache; 0: not known
  std::vector<PassCost> pass_costs;  // as in SequenceOpened
  std::string chat_template;         // of the model file; empty: it has none
};

struct OpenSequence {
  std::vector<TokenId> prompt_ids;     // at least one
  std::vector<TokenId> generated_ids;  // emitted before the sequence moved here
  SamplingOptions sampling;            // with a seed if temperature > 0
  // The answer has candidates of the last `learn_last` prefilled tokens; UINT32_MAX: of all of
  // them.
  std::uint32_t learn_last = 0;
  bool want_candidates = true;
  std::string tenant;  // at most 128 bytes
};

struct SequenceOpened {
  std::uint32_t base = 0;  // committed tokens, root included
  // Has n rows, where n is at most OpenSequence::learn_last. They belong to the last n prefilled
  // tokens, at positions [base - 1 - n, base - 1).
  Candidates prompt_candidates;
  std::uint32_t cached_tokens = 0;
  // `rows` is at least 1 and ascends; `duration` is above 0 and never descends. Empty if not known.
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
  std::vector<TokenId> tokens;         // the accepted draft tokens, then the bonus token
  std::vector<int> accepted_nodes;     // one fewer than tokens
  Candidates candidates;               // of every verified row, root first; empty if not asked for
  std::vector<TokenLogprob> logprobs;  // as many as tokens, or none
  bool draft_ignored = false;
  // How many nodes of the tree were verified, the root not counted. If it is fewer than all, they
  // are the first nodes of the tree. Absent: all were verified.
  std::optional<int> verified_nodes;
  absl::Duration forward;
  absl::Duration queue;              // time that the step waited for its pass
  absl::Duration inside;             // queue, forward and sampling together
  std::vector<PassCost> pass_costs;  // as in SequenceOpened
  OtherLoad others;
};

// One sequence at one verifier. The destructor closes the stream, which frees the slot.
// Call order: Open (Verify | VerifyWhile)*. Threads: one call at a time; Cancel may be called by
// any thread at any time.
class VerifierSession {
 public:
  virtual ~VerifierSession() = default;

  // Open and VerifyWhile block until the verifier has answered, the session is cancelled
  // (Cancelled) or its deadline has passed (DeadlineExceeded). A lost peer is Unavailable, a peer
  // that breaks the protocol is Internal. After an error the session cannot be used any more.
  virtual absl::StatusOr<SequenceOpened> Open(const OpenSequence& open) = 0;

  // Sends `step`, then calls `meanwhile` once on this thread, then waits for the answer. So
  // `meanwhile` runs while the verifier works.
  virtual absl::StatusOr<StepVerified> VerifyWhile(const VerifyStep& step,
                                                   absl::FunctionRef<void()> meanwhile) = 0;

  // As VerifyWhile, without `meanwhile`.
  absl::StatusOr<StepVerified> Verify(const VerifyStep& step) {
    return VerifyWhile(step, [] {});
  }

  // A running call, and every later one, returns Cancelled.
  virtual void Cancel() = 0;
};

// One verifier. Threads: any.
class VerifierClient {
 public:
  virtual ~VerifierClient() = default;

  // Never blocks for long. If the session cannot be opened, Open returns the error. `deadline`
  // bounds the whole session. The gateway sends `origin` for the verifier's logs.
  virtual std::unique_ptr<VerifierSession> NewSession(absl::Time deadline,
                                                      const CallOrigin& origin) = 0;

  virtual const VerifierInfo& info() const = 0;
  virtual const std::string& address() const = 0;

  // Whether sequences should move to another verifier if one has room, because this one drains or
  // has left the list of peers. May change at any time.
  virtual bool leaving() const { return false; }
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_VERIFIER_CLIENT_H_
