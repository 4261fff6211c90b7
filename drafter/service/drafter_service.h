// recycling.drafter.v1.DrafterService: converts requests, calls the drafter, converts the answers.
// Nothing here waits for a disk. Each Draft stream has a thread of its own that reads the socket,
// so that a step wakes one thread only. The other calls are callbacks.
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

// Bounds the bytes of all snapshots that are being sent or received. Threads: any.
class TransferBudget {
 public:
  explicit TransferBudget(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // False if there is not enough left; then nothing is taken.
  bool Take(std::uint64_t bytes);
  void Give(std::uint64_t bytes) { used_ -= bytes; }

 private:
  const std::uint64_t max_bytes_;
  std::atomic<std::uint64_t> used_{0};
};

// The most Draft streams that are open at once. Each has a thread.
inline constexpr int kMostDraftStreams = 4096;

// What all calls share. Everything that is pointed to outlives the service.
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
  SnapshotSaver* const saver;  // null: matrices are not saved
  std::atomic<std::uint32_t> open_sessions{0};
  DrafterCounters counters;
  TransferBudget transfers;
  IdleStreams streams;  // of Draft and LoadMatrix
};

// All calls but Draft are callbacks.
using DrafterCalls = v1::DrafterService::WithCallbackMethod_Handshake<
    v1::DrafterService::WithCallbackMethod_Propose<v1::DrafterService::WithCallbackMethod_Observe<
        v1::DrafterService::WithCallbackMethod_GetMatrixInfo<
            v1::DrafterService::WithCallbackMethod_SaveMatrix<
                v1::DrafterService::WithCallbackMethod_LoadMatrix<v1::DrafterService::Service>>>>>>;

// With `callers`, calls for drafting need a caller of role peer, who is believed when it names a
// tenant, and calls for matrices one of role admin (Unauthenticated, PermissionDenied). The other
// errors come from matrix_store.h, snapshot.h and drafter_convert.h: InvalidArgument for a
// malformed message, of which nothing is learnt; FailedPrecondition for another model or k, and for
// a scope that is not allowed; NotFound, DataLoss and ResourceExhausted as these files say.
// Threads: any.
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
  // ResourceExhausted if kMostDraftStreams are open.
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

  // Cancels the streams that are idle for too long. The owner calls it from time to time.
  void EndIdleStreams() { state_.streams.Sweep(); }

 private:
  DrafterState state_;
  const std::shared_ptr<const CallerCheck> callers_;  // null: calls need no key
  std::atomic<int> streams_{0};
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_SERVICE_H_
