// One Draft stream, and what its unary twins share with it.
#ifndef RECYCLING_DRAFTER_SERVICE_DRAFT_SESSION_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFT_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/rpc/call_metadata.h"
#include "drafter/service/drafter_convert.h"
#include "drafter/service/drafter_service.h"
#include "drafter/sources/sequence_history.h"
#include "drafter/tree/adaptive_tree.h"

namespace recycling::drafter {

// A matrix in use for one request. Threads: calls one at a time.
class DraftSession {
 public:
  // An open counts as a handshake. InvalidArgument, FailedPrecondition, ResourceExhausted.
  static absl::StatusOr<std::unique_ptr<DraftSession>> Open(const v1::OpenSession& open,
                                                            DrafterState* state);
  ~DraftSession() { --state_->open_sessions; }

  DraftSession(const DraftSession&) = delete;
  DraftSession& operator=(const DraftSession&) = delete;

  // Checks the whole step, then learns and proposes: on InvalidArgument nothing was learnt. True if
  // the step asked for a proposal, which then is in `response`.
  absl::StatusOr<bool> Step(const v1::DraftStep& step, v1::DraftResponse* response);

 private:
  DraftSession(DrafterState* state, MatrixBinding binding, std::shared_ptr<AdjacencyMatrix> matrix,
               std::vector<TokenId> committed)
      : state_(state),
        binding_(std::move(binding)),
        matrix_(std::move(matrix)),
        committed_(std::move(committed)) {
    ++state_->open_sessions;
    state_->counters.Opened();
  }

  void LearnStep(std::uint64_t step, const std::optional<Observation>& prompt,
                 const std::optional<Observation>& observation,
                 const std::optional<Proposal>& proposal);
  DraftTree Propose(const Proposal& proposal);

  DrafterState* const state_;
  const MatrixBinding binding_;
  const std::shared_ptr<AdjacencyMatrix> matrix_;
  const std::vector<TokenId> committed_;  // when the session opened

  SequenceHistory history_;
  std::uint64_t last_step_ = 0;
  AdaptiveTreeBuilder builder_;
};

// Serves one stream until it ends, or until it was idle for too long (DrafterState::streams).
absl::Status RunDraftStream(DrafterState* state, grpc::ServerContext* context,
                            grpc::ServerReaderWriter<v1::DraftResponse, v1::DraftRequest>* stream);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFT_SESSION_H_
