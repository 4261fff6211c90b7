// The gateway's view of a drafter: advice that may be absent, late, stale or wrong. Tests replace
// it by a mock or a fake; the real one speaks gRPC (grpc_drafter_client.h).
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

// What a verified step (or a prompt) taught.
struct Observation {
  std::vector<TokenId> tokens;     // of each row, root first
  Candidates candidates;           // of each row
  std::vector<int> accepted_path;  // row indices, root first; empty for a prompt
};

// What a step with this many drafted nodes takes, all in.
struct StepCost {
  std::uint32_t nodes = 0;
  std::uint32_t micros = 0;

  bool operator==(const StepCost&) const = default;
};

// The tree that is asked for.
struct Proposal {
  std::uint32_t base = 0;  // committed tokens, root included
  TokenId root = 0;
  int max_nodes = 0;  // beside the root
  int max_depth = 0;
  // As in the proto: nodes ascending from 0, micros at least 1 and not descending, at most 64.
  // Empty: not known, or not to matter.
  std::vector<StepCost> step_costs;
  double other_tokens = 0;  // given to other sequences in the time of a step; 0 to 1e9
};

struct DraftStep {
  std::uint64_t step = 0;
  std::optional<Observation> prompt;       // before the first step
  std::optional<Observation> observation;  // of the step before
  std::optional<Proposal> proposal;        // absent: no answer is wanted
};

struct DraftAnswer {
  DraftTree tree;         // as the drafter sent it
  absl::Duration inside;  // spent inside the drafter, as it says
};

// One request's session at one drafter; destroying it closes the stream. Threads: calls one at a
// time.
class DrafterSession {
 public:
  virtual ~DrafterSession() = default;

  // Sends without waiting and never fails: what cannot be sent is lost (learning is best effort).
  virtual void Send(DraftStep step) = 0;

  // Waits at most `timeout` for the answer to step `step`; answers to earlier steps are dropped.
  // The caller validates the tree. DeadlineExceeded when late, FailedPrecondition if the drafter
  // serves another model, Unavailable if it is gone, any other code as the drafter said. After an
  // error other than DeadlineExceeded the session is of no more use.
  virtual absl::StatusOr<DraftAnswer> Receive(std::uint64_t step, absl::Duration timeout) = 0;
};

// One drafter. Threads: any.
class DrafterClient {
 public:
  virtual ~DrafterClient() = default;

  // Never blocks; failures surface in Receive. The peer hears of `origin`, for its logs.
  virtual std::unique_ptr<DrafterSession> NewSession(const std::string& tenant, MatrixScope scope,
                                                     absl::Time deadline,
                                                     const CallOrigin& origin) = 0;

  virtual const std::string& address() const = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_CLIENTS_DRAFTER_CLIENT_H_
