// The drafter's session of one request. A Draft stream uses it for many steps; the calls Propose
// and Observe use it for one step.
#ifndef RECYCLING_DRAFTER_SERVICE_DRAFT_SESSION_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFT_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/rpc/call_metadata.h"
#include "common/rpc/peer_streams.h"
#include "drafter/service/drafter_convert.h"
#include "drafter/service/drafter_service.h"
#include "drafter/service/session_log.h"
#include "drafter/store/scope_memory.h"
#include "drafter/tree/sequence_drafter.h"

namespace recycling::drafter {

// A session holds the matrix of its request as long as the session exists. Threads: the caller
// makes one call at a time.
class DraftSession {
 public:
  // Opens a session. If `state` has no model yet, it takes the model and k of `open`, as in a
  // handshake. Returns the errors of MatrixKeyFromProto, CommittedFromProto, MatrixStore::Bind and
  // MatrixStore::Use.
  static absl::StatusOr<std::unique_ptr<DraftSession>> Open(const v1::OpenSession& open,
                                                            DrafterState* state);
  ~DraftSession() { --state_->open_sessions; }

  DraftSession(const DraftSession&) = delete;
  DraftSession& operator=(const DraftSession&) = delete;

  // Checks the whole step, learns from it, and makes a draft if the step asks for one. Returns true
  // if it made a draft; then `response` holds it. If the step is malformed, returns InvalidArgument
  // and learns nothing.
  absl::StatusOr<bool> Step(const v1::DraftStep& step, v1::DraftResponse* response);

 private:
  DraftSession(DrafterState* state, MatrixBinding binding, std::shared_ptr<ScopeMemory> memory,
               std::vector<TokenId> committed);

  void LearnStep(std::uint64_t step, const std::optional<Observation>& prompt,
                 const std::optional<Observation>& observation,
                 const std::optional<Proposal>& proposal);
  DraftTree Propose(const Proposal& proposal);

  DrafterState* const state_;
  const MatrixBinding binding_;
  const std::shared_ptr<ScopeMemory> memory_;
  SequenceDrafter drafter_;
};

// Handles the messages of one stream in order: the first opens a session, the others are steps.
// Threads: the caller makes one call at a time.
class DraftExchange {
 public:
  DraftExchange(DrafterState* state, SessionLog log) : state_(state), log_(std::move(log)) {}

  // Returns whether `response` holds an answer. After an error the stream must end.
  absl::StatusOr<bool> Handle(const v1::DraftRequest& request, v1::DraftResponse* response);

  // Ends the session and logs how the stream ended. Call it once.
  void End(const absl::Status& status);

 private:
  DrafterState* const state_;
  SessionLog log_;
  std::unique_ptr<DraftSession> session_;  // null: not opened yet, or ended
};

// Serves one stream until it ends, or until DrafterState::streams cancels it because the client was
// silent for too long. Blocks the calling thread.
absl::Status RunDraftStream(DrafterState* state, grpc::ServerContext* context,
                            grpc::ServerReaderWriter<v1::DraftResponse, v1::DraftRequest>* stream);

// Opens a Draft stream for a caller in this process. Its messages and errors are those of
// RunDraftStream. Send makes the draft before it returns, so Receive never waits: without an answer
// it returns Unavailable. If the caller does not receive an answer before the next one, the answer
// is lost. `state` must outlive the stream, up to its Close.
std::unique_ptr<DraftStream> OpenLocalDraft(DrafterState* state, const CallOrigin& origin);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFT_SESSION_H_
