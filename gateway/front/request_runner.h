// Runs the requests of every door: admission, queue, decode loop, totals and log. It knows no
// transport. A door (gateway/grpc) turns its calls into IncomingRequests and implements OutputSink.
//  1. At most max_requests run at once, and no more than the verifiers have room for. Others wait
//     in a bounded queue (admission.h), where they hold no thread. Requests also wait while no
//     verifier is ready, and are Unavailable if the queue's bounds end that wait. Before the first
//     verifier has ever been ready they are Unavailable at once.
//  2. The loop never waits for a client: the sink keeps what the client has not taken, at most one
//     message for each token. Outputs that are not read in time are dropped (slow_readers.h).
//  3. When a client cancels, is lost or passes its deadline, everything of its request is free
//     within one forward pass.
//  4. Every request leaves one line in the log, also one that is refused. Callers without a key
//     that is known are an exception: they leave a few lines at a time.
#ifndef RECYCLING_GATEWAY_FRONT_REQUEST_RUNNER_H_
#define RECYCLING_GATEWAY_FRONT_REQUEST_RUNNER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/tenant_limits.h"
#include "common/base/clock.h"
#include "common/base/log_budget.h"
#include "common/base/ticker.h"
#include "common/base/trace_context.h"
#include "gateway/clients/verifier_directory.h"
#include "gateway/fleet/moving_sequence.h"
#include "gateway/fleet/retry_budget.h"
#include "gateway/fleet/served_model.h"
#include "gateway/front/admission.h"
#include "gateway/front/gateway_totals.h"
#include "gateway/front/generate_plan.h"
#include "gateway/front/open_outputs.h"
#include "gateway/front/output_sink.h"
#include "gateway/front/request_queue.h"
#include "gateway/front/slow_readers.h"
#include "gateway/front/worker_pool.h"
#include "gateway/loop/drafting.h"

namespace recycling::gateway {

struct RequestRunnerOptions {
  int max_requests = 64;                                   // at least 1
  absl::Duration draft_deadline = absl::Milliseconds(20);  // longest wait for one draft
  RequestDefaults defaults;
  AdmissionOptions admission;
  TenantLimits tenant_limits;  // of callers that bring none
  ReaderLimits readers;
  // Sequences that the ready verifiers have room for; 0: none is ready. Empty: no bound. Any
  // thread; must not block.
  std::function<int()> capacity;
  MoveRules moves;
};

struct RequestCaller {
  std::string tenant = "default";
  std::optional<TenantLimits> limits;  // absent: RequestRunnerOptions::tenant_limits
};

// A request as a door has it. The functions are called by the runner, at most once each.
struct IncomingRequest {
  std::uint64_t bytes = 0;  // of memory that it takes while it waits
  absl::Time deadline = absl::InfiniteFuture();
  TraceContext trace;
  // What it asks for. Called when its turn has come, on a thread of the runner; an error ends the
  // request.
  std::function<absl::StatusOr<GenerateOptions>()> read;
  // Its id, for the log line of a request that was not read; empty if it has none.
  std::function<std::string()> request_id;
};

struct RunnerStats {
  absl::Duration uptime;
  Totals totals;
  QueueCounts queue;
  OutputCounts outputs;
};

// Threads: any. The destructor waits for requests that still run.
class RequestRunner {
 public:
  // Everything referred to must outlive the runner. `workers` has a thread for each of
  // max_requests.
  RequestRunner(RequestRunnerOptions options, std::unique_ptr<WorkerPool> workers,
                const ModelReference& model, VerifierDirectory& verifiers,
                DrafterDirectory& drafters, const Clock& clock);
  ~RequestRunner();

  // Takes the request and returns at once. Its output, or why it was refused, goes to `sink`.
  void Run(IncomingRequest request, const RequestCaller& caller, std::shared_ptr<OutputSink> sink);

  // Ends `sink` with `why`, Unauthenticated or PermissionDenied: the caller may not do this.
  void RunNotAllowed(const IncomingRequest& request, const absl::Status& why, OutputSink& sink);

  // Counts a call other than a request that its caller may not make, if `why` is Unauthenticated or
  // PermissionDenied.
  void CountNotAllowed(const absl::Status& why) { totals_.CountNotAllowed(why); }

  // Begins a call that needs no verifier; its result must be destroyed before the runner. Errors as
  // RequestQueue::BeginShort.
  absl::StatusOr<std::unique_ptr<RequestQueue::ShortCall>> BeginShort(const RequestCaller& caller);

  // The model that is served. Unavailable before the first verifier has been ready.
  absl::StatusOr<std::shared_ptr<const ServedModel>> Model() const;

  // Refuses new requests, and those that wait, as Unavailable. Those that run go on.
  void Drain() { queue_.Drain(); }

  // Drains; requests that run then have `grace` to end and to be read. After that they end as
  // Unavailable too, and what is not read then is dropped. Returns when the last one has ended, or
  // seconds after the grace. Idempotent.
  void DrainWithin(absl::Duration grace);

  RunnerStats Stats() const;

 private:
  struct Request;

  int Capacity() const;
  // Why a request was refused; says which verifier is missing if none is ready.
  absl::Status WhyRefused(const Refusal& refusal);
  absl::Duration MonotonicDeadline(absl::Time deadline) const;
  absl::Duration Tick();
  bool AwaitIdle(absl::Duration until);  // Clock::Monotonic(); false if it was reached
  void Begin(Request& request);
  absl::Status Plan(Request& request);
  void Decode(Request& request);
  void Refuse(Request& request, const Refusal& refusal);

  const RequestRunnerOptions options_;
  const ModelReference& model_;
  VerifierDirectory& verifiers_;
  DrafterDirectory& drafters_;
  const Clock& clock_;
  const absl::Duration started_;
  LogBudget strangers_{10, absl::Seconds(10)};  // log lines of callers without a key that is known
  GatewayTotals totals_;
  DraftLedger ledger_;
  RetryBudget retry_budget_;
  RequestQueue queue_;
  OpenOutputs outputs_;
  const std::unique_ptr<WorkerPool> workers_;  // its threads use everything above
  Ticker ticker_;                              // last: uses everything above
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_REQUEST_RUNNER_H_
