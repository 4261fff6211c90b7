// A session of the drafter: what a Draft stream and the calls without a stream have in common.
#ifndef RECYCLING_DRAFTER_SERVICE_DRAFT_SESSION_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFT_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/rpc/call_metadata.h"
#include "drafter/service/drafter_convert.h"
#include "drafter/service/drafter_service.h"
#include "drafter/store/scope_memory.h"
#include "drafter/tree/sequence_drafter.h"

namespace recycling::drafter {

// One request's session. It holds the request's matrix. Threads: calls one at a time.
class DraftSession {
 public:
  // It counts as a handshake. InvalidArgument, FailedPrecondition and ResourceExhausted as
  // MatrixStore::Bind and Use, and CommittedFromProto.
  static absl::StatusOr<std::unique_ptr<DraftSession>> Open(const v1::OpenSession& open,
                                                            DrafterState* state);
  ~DraftSession() { --state_->open_sessions; }

  DraftSession(const DraftSession&) = delete;
  DraftSession& operator=(const DraftSession&) = delete;

  // Checks the whole step first, so that nothing is learnt of one that is InvalidArgument. Then
  // learns and proposes. True if the step asked for a proposal; then `response` holds it.
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

// Serves one stream until it ends, or until it was idle for too long (DrafterState::streams).
absl::Status RunDraftStream(DrafterState* state, grpc::ServerContext* context,
                            grpc::ServerReaderWriter<v1::DraftResponse, v1::DraftRequest>* stream);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFT_SESSION_H_
