// A drafter as the gateway sees it. Its drafts are advice, and may be absent, late, stale or wrong.
// The real implementation speaks gRPC (grpc_drafter_client.h); tests use a mock or a fake.
#ifndef RECYCLING_GATEWAY_CLIENTS_DRAFTER_CLIENT_H_
#define RECYCLING_GATEWAY_CLIENTS_DRAFTER_CLIENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/trace_context.h"
#include "common/decoding/draft_tree.h"
#include "common/decoding/token_id.h"

namespace recycling::gateway {

enum class MatrixScope { kRequest, kTenant, kShared };

// What a verified step, or a prompt, teaches a drafter.
struct Observation {
  std::vector<TokenId> tokens;     // of each row, root first
  Candidates candidates;           // of each row
  std::vector<int> accepted_path;  // row indices, root first; empty for a prompt
  std::vector<int> parents;  // row index of each row's parent, -1 for the root; of a step only
};

// Most committed tokens that a drafter is told when a session opens.
inline constexpr std::size_t kMostCommittedTokens = 1 << 18;

// What a drafter hears when a session opens.
struct OpenDrafting {
  std::string tenant;
  MatrixScope scope = MatrixScope::kTenant;
  // All tokens that are committed now, the prompt first, the next root last. Of more than
  // kMostCommittedTokens the last ones are sent.
  std::vector<TokenId> committed;
};

// The whole duration of a step with this many drafted nodes.
struct StepCost {
  std::uint32_t nodes = 0;
  std::uint32_t micros = 0;

  bool operator==(const StepCost&) const = default;
};

// A request for a tree.
struct Proposal {
  std::uint32_t base = 0;  // committed tokens, root included
  TokenId root = 0;
  int max_nodes = 0;  // beside the root
  int max_depth = 0;
  // As in the proto: nodes ascending from 0, micros at least 1 and not descending, at most 64
  // entries. Empty: the costs are not known, or should not matter.
  std::vector<StepCost> step_costs;
  double other_tokens = 0;  // that other sequences get in the time of a step; 0 to 1e9
};

struct DraftStep {
  std::uint64_t step = 0;
  std::optional<Observation> prompt;       // only before the first step
  std::optional<Observation> observation;  // of the previous step
  std::optional<Proposal> proposal;        // absent: no answer is wanted
};

struct DraftAnswer {
  DraftTree tree;         // as the drafter sent it: not checked
  absl::Duration inside;  // the time inside the drafter, by its own measure
};

// The session of one request at one drafter. The destructor closes the stream. Threads: one call at
// a time.
class DrafterSession {
 public:
  virtual ~DrafterSession() = default;

  // Sends without waiting. Never fails: a message that cannot be sent is lost, because learning is
  // best effort.
  virtual void Send(DraftStep step) = 0;

  // Waits at most `timeout` for the answer to step `step`, and drops answers to earlier steps. The
  // caller must validate the tree. DeadlineExceeded if the answer is late, FailedPrecondition if
  // the drafter serves another model, Unavailable if it is gone, any other code as the drafter
  // answered. After an error other than DeadlineExceeded the session cannot be used any more.
  virtual absl::StatusOr<DraftAnswer> Receive(std::uint64_t step, absl::Duration timeout) = 0;
};

// One drafter. Threads: any.
class DrafterClient {
 public:
  virtual ~DrafterClient() = default;

  // Never blocks; Receive returns the error if this fails. The drafter gets `origin` for its logs.
  virtual std::unique_ptr<DrafterSession> NewSession(OpenDrafting open, absl::Time deadline,
                                                     const CallOrigin& origin) = 0;

  virtual const std::string& address() const = 0;

  // Whether the drafter said in its handshake that it allows MatrixScope::kShared.
  virtual bool shared_scope_allowed() const { return true; }
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_DRAFTER_CLIENT_H_
