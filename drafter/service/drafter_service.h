// recycling.drafter.v1.DrafterService. Thin: converts, calls the drafter's core, converts the
// status. Nothing here waits for a disk. A Draft stream has a thread of its own, which waits for
// its socket itself, so that a step wakes one thread and no other; the other calls react.
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
#include "drafter/service/drafter_counters.h"
#include "drafter/store/matrix_store.h"
#include "drafter/store/snapshot_saver.h"
#include "drafter/tree/tree_template.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"

namespace recycling::drafter {

// Bytes that snapshots on their way in or out take in memory, all calls together.
class TransferBudget {
 public:
  explicit TransferBudget(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // False, and nothing taken, if it would exceed the budget.
  bool Take(std::uint64_t bytes);
  void Give(std::uint64_t bytes) { used_ -= bytes; }

 private:
  const std::uint64_t max_bytes_;
  std::atomic<std::uint64_t> used_{0};
};

// Open at once; each has a thread.
inline constexpr int kMostDraftStreams = 4096;

// What the RPCs share. Everything pointed to outlives the service.
struct DrafterState {
  DrafterState(std::string id, TreeTemplate tree, MatrixStore* matrices, SnapshotSaver* snapshots,
               absl::Duration stream_idle_timeout, const Clock& clock)
      : drafter_id(std::move(id)),
        shape(std::move(tree)),
        store(matrices),
        saver(snapshots),
        transfers(2 * store->options().max_bytes),
        streams(stream_idle_timeout, clock) {}

  const std::string drafter_id;
  const TreeTemplate shape;
  MatrixStore* const store;
  SnapshotSaver* const saver;  // null: nothing is kept on disk
  std::atomic<std::uint32_t> open_sessions{0};
  DrafterCounters counters;
  TransferBudget transfers;
  IdleStreams streams;  // of Draft and LoadMatrix
};

// The calls that react; Draft is left.
using DrafterCalls = v1::DrafterService::WithCallbackMethod_Handshake<
    v1::DrafterService::WithCallbackMethod_Propose<v1::DrafterService::WithCallbackMethod_Observe<
        v1::DrafterService::WithCallbackMethod_GetMatrixInfo<
            v1::DrafterService::WithCallbackMethod_SaveMatrix<
                v1::DrafterService::WithCallbackMethod_LoadMatrix<v1::DrafterService::Service>>>>>>;

// Threads: any. With `callers`, drafting needs a caller of role peer, who is believed when it names
// a tenant, and matrix calls one of role admin (Unauthenticated, PermissionDenied). Other error
// codes are those of the core (matrix_store.h, snapshot.h, drafter_convert.h): InvalidArgument for
// a malformed message, of which nothing is learnt; FailedPrecondition for another model or k and
// for a scope that is not allowed; NotFound, DataLoss and ResourceExhausted as said there.
class GrpcDrafterService final : public DrafterCalls {
 public:
  // A Draft or LoadMatrix stream whose client sends nothing for longer than `stream_idle_timeout`
  // is cancelled by EndIdleStreams; 0: never. `clock` must outlive this.
  GrpcDrafterService(std::string drafter_id, TreeTemplate shape, MatrixStore* store,
                     SnapshotSaver* saver, std::shared_ptr<const CallerCheck> callers = nullptr,
                     absl::Duration stream_idle_timeout = absl::ZeroDuration(),
                     const Clock& clock = RealClock())
      : state_(std::move(drafter_id), std::move(shape), store, saver, stream_idle_timeout, clock),
        callers_(std::move(callers)) {}

  grpc::ServerUnaryReactor* Handshake(grpc::CallbackServerContext* context,
                                      const v1::HandshakeRequest* request,
                                      v1::HandshakeResponse* response) override;
  // ResourceExhausted beyond kMostDraftStreams.
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

  void AddMetrics(MetricSet* metrics) const;

  // To be called every now and then.
  void EndIdleStreams() { state_.streams.Sweep(); }

 private:
  DrafterState state_;
  const std::shared_ptr<const CallerCheck> callers_;  // null: no keys
  std::atomic<int> streams_{0};
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVICE_H_
