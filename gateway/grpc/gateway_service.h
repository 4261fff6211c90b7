// recycling.gateway.v1.GatewayService: reads requests, runs the decode loop on threads of its own,
// streams what it shows, keeps the totals and writes one log line a request, also of those that
// it refuses (of calls without a key that is known a few at a time).
//  1. At most max_requests run at once, and no more than the verifiers have room for; others wait
//     in a bounded queue (admission.h) and hold no thread there. So they do while no verifier is
//     ready; where the queue's bounds end that, they are Unavailable. Before there ever was one
//     they are so at once.
//  2. The loop never waits for a client: what the client has not taken is queued, at most a
//     message a token. Outputs that are not read in time are dropped (slow_readers.h).
//  3. Who calls is told by an API key, where there are keys (caller_check.h): text takes one for
//     inference, statistics and draining one for administration, the others any.
//  4. A client that cancels, is lost or runs out of time frees everything within one pass.
#ifndef RECYCLING_GATEWAY_GRPC_GATEWAY_SERVICE_H_
#define RECYCLING_GATEWAY_GRPC_GATEWAY_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/log_budget.h"
#include "common/base/metrics.h"
#include "common/base/ticker.h"
#include "common/rpc/caller_check.h"
#include "gateway/clients/verifier_client.h"
#include "gateway/clients/verifier_directory.h"
#include "gateway/fleet/moving_sequence.h"
#include "gateway/fleet/retry_budget.h"
#include "gateway/fleet/served_model.h"
#include "gateway/front/admission.h"
#include "gateway/front/gateway_totals.h"
#include "gateway/front/generate_plan.h"
#include "gateway/front/request_queue.h"
#include "gateway/front/slow_readers.h"
#include "gateway/front/worker_pool.h"
#include "gateway/grpc/open_streams.h"
#include "gateway/grpc/stream_writer.h"
#include "gateway/loop/drafting.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"

namespace recycling::gateway {

struct GatewayServiceOptions {
  int max_requests = 64;                                   // at least 1
  absl::Duration draft_deadline = absl::Milliseconds(20);  // longest wait for one draft
  RequestDefaults defaults;
  AdmissionOptions admission;
  std::shared_ptr<const CallerCheck> callers;  // null: no keys
  TenantLimits tenant_limits;                  // of tenants whose keys give none
  ReaderLimits readers;
  std::function<int()>
      capacity;  // sequences the ready verifiers have room for; 0: none is ready; empty: no bound
  std::function<void()> on_drain;  // the Drain call has come; may be empty
  MoveRules moves;
  std::function<void(v1::GetStatsResponse*)> add_peers;  // fills GetStatsResponse.peers
};

// Generate and Tokenize take raw bytes: a text that is not UTF-8 makes a message that does not
// parse, which generated code would answer with UNIMPLEMENTED and no word of why.
using GatewayServiceBase = v1::GatewayService::WithRawCallbackMethod_Generate<
    v1::GatewayService::WithRawCallbackMethod_Tokenize<
        v1::GatewayService::WithCallbackMethod_GetModel<
            v1::GatewayService::WithCallbackMethod_Detokenize<
                v1::GatewayService::WithCallbackMethod_GetStats<
                    v1::GatewayService::WithCallbackMethod_Drain<v1::GatewayService::Service>>>>>>;

// Threads: any. Destroy after the server is shut down; waits for requests that still end.
class GatewayService final : public GatewayServiceBase {
 public:
  // Everything referred to must outlive the service. `workers` has a thread for each of
  // max_requests.
  GatewayService(GatewayServiceOptions options, std::unique_ptr<WorkerPool> workers,
                 const ModelReference& model, VerifierDirectory& verifiers,
                 DrafterDirectory& drafters, const Clock& clock);

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Generate(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request,
                                     grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* Detokenize(grpc::CallbackServerContext* context,
                                       const v1::DetokenizeRequest* request,
                                       v1::DetokenizeResponse* response) override;
  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context,
                                     const v1::GetStatsRequest* request,
                                     v1::GetStatsResponse* response) override;

  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override;

  // Refuses new requests and those that wait as Unavailable. Those that run have `grace` to end and
  // to be read; then they end as Unavailable too, and what is not read then is dropped. Returns
  // when the last one has ended, or seconds after the grace. Idempotent.
  void DrainWithin(absl::Duration grace);

  // The same statistics as metrics; see gateway_metrics.h.
  void AddMetrics(MetricSet* metrics) const;

 private:
  struct Generation;

  absl::StatusOr<std::shared_ptr<const ServedModel>> Model() const;
  absl::StatusOr<Caller> Identify(const grpc::CallbackServerContext& context, Access access);
  int Capacity() const;
  // The same, and which verifier is missed if none is ready.
  absl::Status WhyRefused(const Refusal& refusal);
  absl::Duration MonotonicDeadline(absl::Time deadline) const;
  absl::Duration Tick();
  bool AwaitIdle(absl::Duration until);  // Clock::Monotonic(); false if it was reached
  void FillStats(v1::GetStatsResponse* response) const;
  void Run(Generation& generation);
  absl::Status Plan(Generation& generation);
  void Decode(Generation& generation);
  void Log(const Generation& generation) const;
  void LogRefused(Generation& generation, RefusalReason reason, const absl::Status& status) const;
  void LogNotAllowed(const grpc::CallbackServerContext& context, const grpc::ByteBuffer& request,
                     const absl::Status& status);

  const GatewayServiceOptions options_;
  const ModelReference& model_;
  VerifierDirectory& verifiers_;
  DrafterDirectory& drafters_;
  const Clock& clock_;
  const absl::Duration started_;
  const std::shared_ptr<const CallerCheck> callers_;  // never null
  std::atomic<std::uint64_t> unauthenticated_ = 0;
  std::atomic<std::uint64_t> not_permitted_ = 0;
  LogBudget strangers_{10, absl::Seconds(10)};  // lines of calls without a key that is known
  GatewayTotals totals_;
  DraftLedger ledger_;
  RetryBudget retry_budget_;
  RequestQueue queue_;
  OpenStreams streams_;
  const std::unique_ptr<WorkerPool> workers_;  // its threads use everything above
  Ticker ticker_;                              // last: uses everything above
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GATEWAY_SERVICE_H_
