// A drafter as the gateway sees it. A draft may be absent, late, stale or wrong, so the gateway
// checks each one and can work without it. The real implementation speaks gRPC
// (grpc_drafter_client.h); tests use a mock or a fake.
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

// A drafter drafts from an adjacency matrix, and updates it with each observation. The scope says
// who uses the same matrix: one request alone, the requests of one tenant, or those of all tenants.
enum class MatrixScope { kRequest, kTenant, kShared };

// The data of one verified step, or of a prompt, from which a drafter learns.
struct Observation {
  std::vector<TokenId> tokens;     // one of each row, root first
  Candidates candidates;           // of each row
  std::vector<int> accepted_path;  // row indices, root first; empty for a prompt
  std::vector<int> parents;  // row index of each row's parent, -1 for the root; empty for a prompt
};

// The gateway sends at most this many committed tokens when it opens a session.
inline constexpr std::size_t kMostCommittedTokens = 1 << 18;

// The data that the gateway sends when it opens a session.
struct OpenDrafting {
  std::string tenant;
  MatrixScope scope = MatrixScope::kTenant;
  // All committed tokens: the prompt first, the next root last. If there are more than
  // kMostCommittedTokens, only the last ones are sent.
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
  int max_nodes = 0;  // not counting the root
  int max_depth = 0;
  // At most 64 entries. `nodes` begins at 0 and ascends; `micros` is at least 1 and never descends.
  // Empty if the costs are not known or must not be used.
  std::vector<StepCost> step_costs;
  double other_tokens = 0;  // tokens of other sequences during one step; 0 to 1e9
};

struct DraftStep {
  std::uint64_t step = 0;
  std::optional<Observation> prompt;       // only before the first step
  std::optional<Observation> observation;  // of the previous step
  std::optional<Proposal> proposal;        // absent: no answer is wanted
};

struct DraftAnswer {
  DraftTree tree;         // as the drafter sent it: not checked
  absl::Duration inside;  // time inside the drafter, as the drafter measured it
};

// The session of one request at one drafter. The destructor closes the stream. Threads: one call at
// a time.
class DrafterSession {
 public:
  virtual ~DrafterSession() = default;

  // Sends without waiting. Reports no error: if the message cannot be sent, it is lost.
  virtual void Send(DraftStep step) = 0;

  // Waits at most `timeout` for the answer to step `step`, and drops answers to earlier steps. The
  // caller must validate the tree. Returns DeadlineExceeded if the answer is late,
  // FailedPrecondition if the drafter serves another model, Unavailable if the drafter is lost. Any
  // other code is the drafter's own. After an error other than DeadlineExceeded the session cannot
  // be used any more.
  virtual absl::StatusOr<DraftAnswer> Receive(std::uint64_t step, absl::Duration timeout) = 0;
};

// One drafter. Threads: any.
class DrafterClient {
 public:
  virtual ~DrafterClient() = default;

  // Never blocks. If the session cannot be opened, Receive returns the error. The gateway sends
  // `origin` for the drafter's logs.
  virtual std::unique_ptr<DrafterSession> NewSession(OpenDrafting open, absl::Time deadline,
                                                     const CallOrigin& origin) = 0;

  virtual const std::string& address() const = 0;

  // Whether the drafter said in its handshake that it allows MatrixScope::kShared.
  virtual bool shared_scope_allowed() const { return true; }
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_DRAFTER_CLIENT_H_
