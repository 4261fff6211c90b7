// The gRPC service recycling.drafter.v1.DrafterService. It converts requests, calls the drafter,
// and converts the answers. No gRPC thread waits for a disk. Each Draft stream has its own thread,
// which reads the socket, so a step wakes only one thread. The other calls use gRPC's callback API.
#ifndef RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVICE_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/metrics.h"
#include "common/rpc/caller_check.h"
#include "common/rpc/idle_streams.h"
#include "common/rpc/peer_streams.h"
#include "drafter/service/drafter_counters.h"
#include "drafter/sources/draft_sources.h"
#include "drafter/store/matrix_store.h"
#include "drafter/store/snapshot_saver.h"
#include "drafter/tree/tree_template.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"

namespace recycling::drafter {

// Limits the memory of all snapshots that are being sent or received. Threads: any.
class TransferBudget {
 public:
  explicit TransferBudget(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // Takes `bytes` from the budget and returns true. Returns false and takes nothing if fewer are
  // left.
  bool Take(std::uint64_t bytes);
  void Give(std::uint64_t bytes) { used_ -= bytes; }

 private:
  const std::uint64_t max_bytes_;
  std::atomic<std::uint64_t> used_{0};
};

// At most this many Draft streams are open at once. Each one has a thread.
inline constexpr int kMostDraftStreams = 4096;

// The state that all calls share. The owner keeps the objects behind these pointers until the
// service is destroyed.
struct DrafterState {
  DrafterState(std::string id, TreeTemplate tree, MatrixStore* matrices, SnapshotSaver* snapshots,
               absl::Duration stream_idle_timeout, const Clock& clock, DraftSourceSet on)
      : drafter_id(std::move(id)),
        shape(std::move(tree)),
        store(matrices),
        saver(snapshots),
        transfers(2 * store->options().max_bytes),
        streams(stream_idle_timeout, clock),
        sources(on) {}

  const std::string drafter_id;
  const TreeTemplate shape;
  MatrixStore* const store;
  SnapshotSaver* const saver;  // null: matrices are not saved
  std::atomic<std::uint32_t> open_sessions{0};
  DrafterCounters counters;
  TransferBudget transfers;
  IdleStreams streams;           // the open Draft and LoadMatrix streams
  const DraftSourceSet sources;  // that are on in every session
};

// All calls except Draft use the callback API.
using DrafterCalls = v1::DrafterService::WithCallbackMethod_Handshake<
    v1::DrafterService::WithCallbackMethod_Propose<v1::DrafterService::WithCallbackMethod_Observe<
        v1::DrafterService::WithCallbackMethod_GetMatrixInfo<
            v1::DrafterService::WithCallbackMethod_SaveMatrix<
                v1::DrafterService::WithCallbackMethod_LoadMatrix<v1::DrafterService::Service>>>>>>;

// If there are `callers`, the drafting calls (Handshake, Draft, Propose, Observe) need an API key
// of role peer. The service trusts the tenant that a peer names. The matrix calls (GetMatrixInfo,
// SaveMatrix, LoadMatrix) need a key of role admin. Calls without such a key fail with
// Unauthenticated or PermissionDenied. A malformed message fails with InvalidArgument, and the
// drafter learns nothing from it. Another model or k, and a scope that is not allowed, fail with
// FailedPrecondition. The headers matrix_store.h, snapshot.h and drafter_convert.h document the
// other errors. Threads: any.
class GrpcDrafterService final : public DrafterCalls {
 public:
  // If the client of a Draft or LoadMatrix stream sends nothing for longer than
  // `stream_idle_timeout`, EndIdleStreams cancels the stream. 0 means never. `store`, `saver` and
  // `clock` must outlive this. `saver` may be null: then matrices are not saved. Only the draft
  // sources in `sources` are on.
  GrpcDrafterService(std::string drafter_id, TreeTemplate shape, MatrixStore* store,
                     SnapshotSaver* saver, std::shared_ptr<const CallerCheck> callers = nullptr,
                     absl::Duration stream_idle_timeout = absl::ZeroDuration(),
                     const Clock& clock = RealClock(), DraftSourceSet sources = kAllDraftSources)
      : state_(std::move(drafter_id), std::move(shape), store, saver, stream_idle_timeout, clock,
               sources),
        callers_(std::move(callers)) {}

  grpc::ServerUnaryReactor* Handshake(grpc::CallbackServerContext* context,
                                      const v1::HandshakeRequest* request,
                                      v1::HandshakeResponse* response) override;
  // Fails with ResourceExhausted if kMostDraftStreams streams are already open.
  grpc::Status Draft(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::DraftResponse, v1::DraftRequest>* stream) override;
  grpc::ServerUnaryReactor* Propose(grpc::CallbackServerContext* context,
                                    const v1::ProposeRequest* request,
                                    v1::ProposeResponse* response) override;
  grpc::ServerUnaryReactor* Observe(grpc::CallbackServerContext* context,
                                    const v1::ObserveRequest* request,
                                    v1::ObserveResponse* response) override;
  grpc::ServerUnaryReactor* GetMatrixInfo(grpc::CallbackServerContext* context,
                                          const v1::GetMatrixInfoRequest* request,
                                          v1::GetMatrixInfoResponse* response) override;
  grpc::ServerWriteReactor<v1::SaveMatrixResponse>* SaveMatrix(
      grpc::CallbackServerContext* context, const v1::SaveMatrixRequest* request) override;
  grpc::ServerReadReactor<v1::LoadMatrixRequest>* LoadMatrix(
      grpc::CallbackServerContext* context, v1::LoadMatrixResponse* response) override;

  // See DrafterServer::OpenDraft.
  std::unique_ptr<DraftStream> OpenDraft(const CallOrigin& origin);

  void AddMetrics(MetricSet* metrics) const;

  // Cancels the streams that have been idle for longer than stream_idle_timeout. The owner calls it
  // periodically.
  void EndIdleStreams() { state_.streams.Sweep(); }

 private:
  DrafterState state_;
  const std::shared_ptr<const CallerCheck> callers_;  // null: calls need no key
  std::atomic<int> streams_{0};
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVICE_H_
