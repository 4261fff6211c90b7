// Runs the requests of every transport: admission, queue, decode loop, totals and log. A transport
// (gateway/grpc) turns its calls into IncomingRequests and implements OutputSink.
//  1. At most max_requests run at once, and no more than the verifiers have room for. Others wait
//     in a bounded queue (admission.h), where they hold no thread. Requests also wait while no
//     verifier is ready. If a bound of the queue ends this wait, they end as Unavailable. Before
//     the first verifier was ever ready, they end as Unavailable at once.
//  2. The loop never waits for a client: the sink keeps the messages that the client has not read,
//     at most one for each token. Outputs that are not read in time are dropped (slow_readers.h).
//  3. When a client cancels, is lost or passes its deadline, all resources of its request are free
//     within one forward pass.
//  4. Every request gets one log line, also a refused one. Callers without a known key are an
//     exception: together they get 10 lines in 10 s.
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
#include "gateway/front/chat_prompt.h"
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
  TenantLimits tenant_limits;  // of callers without limits of their own
  ReaderLimits readers;
  // Returns how many sequences the ready verifiers can hold; 0 if none is ready. If empty, there is
  // no bound. Any thread may call it; it must not block.
  std::function<int()> capacity;
  MoveRules moves;
};

struct RequestCaller {
  std::string tenant = "default";
  std::optional<TenantLimits> limits;  // absent: RequestRunnerOptions::tenant_limits
};

// A request as a transport receives it. The runner calls each function at most once.
struct IncomingRequest {
  std::uint64_t bytes = 0;  // of memory that it takes while it waits
  absl::Time deadline = absl::InfiniteFuture();
  TraceContext trace;
  // Returns the client's options. The runner calls it on one of its threads when the request's turn
  // has come. An error ends the request.
  std::function<absl::StatusOr<GenerateOptions>()> read;
  // Returns the request's id, or an empty text if it has none. The runner calls it for the log line
  // if `read` has failed or was not called.
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
  // All referenced objects must outlive the runner. `workers` must have max_requests threads.
  RequestRunner(RequestRunnerOptions options, std::unique_ptr<WorkerPool> workers,
                const ModelReference& model, VerifierDirectory& verifiers,
                DrafterDirectory& drafters, const Clock& clock);
  ~RequestRunner();

  // Queues the request and returns at once. The request waits in the queue while no verifier is
  // ready. The output, or the reason of a refusal, goes to `sink`.
  void Run(IncomingRequest request, const RequestCaller& caller, std::shared_ptr<OutputSink> sink);

  // Refuses a request that the caller may not make: ends `sink` with `why`, which is
  // Unauthenticated or PermissionDenied.
  void RunNotAllowed(const IncomingRequest& request, const absl::Status& why, OutputSink& sink);

  // For calls that are not requests: counts a call that its caller may not make, if `why` is
  // Unauthenticated or PermissionDenied.
  void CountNotAllowed(const absl::Status& why) { totals_.CountNotAllowed(why); }

  // Begins a call that needs no verifier. The caller must destroy the result before the runner.
  // Errors as RequestQueue::BeginShort.
  absl::StatusOr<std::unique_ptr<RequestQueue::ShortCall>> BeginShort(const RequestCaller& caller);

  // The model that is served. Unavailable before the first verifier has been ready.
  absl::StatusOr<std::shared_ptr<const ServedModel>> Model() const;

  // The prompt that a request with this conversation gets. Errors as RenderPrompt.
  absl::StatusOr<RenderedPrompt> Render(const ChatPrompt& prompt, const ServedModel& model) const;

  // Refuses new and waiting requests as Unavailable. Running requests go on.
  void Drain() { queue_.Drain(); }

  // Drains. For `grace`, running requests go on and clients may read their outputs. Then the
  // requests that still run end as Unavailable, and unread outputs are dropped. Returns when all
  // requests have ended and all outputs are read or dropped, or a few seconds after `grace`. May be
  // called again.
  void DrainWithin(absl::Duration grace);

  RunnerStats Stats() const;

 private:
  struct Request;

  int Capacity() const;
  // Why a request was refused; says which verifier is missing if none is ready.
  absl::Status WhyRefused(const Refusal& refusal);
  absl::Duration MonotonicDeadline(absl::Time deadline) const;
  absl::Duration Tick();
  bool AwaitIdle(absl::Duration until);  // false if `until` (Clock::Monotonic()) came first
  void Begin(Request& request);
  absl::Status Plan(Request& request);
  // Picks a verifier. The one that let the request begin may be lost by now; then this waits for
  // another one until the request's deadline or `queue_timeout` after its arrival.
  absl::StatusOr<std::shared_ptr<VerifierClient>> AwaitVerifier(Request& request);
  void Decode(Request& request);
  void Refuse(Request& request, const Refusal& refusal);

  const RequestRunnerOptions options_;
  const ModelReference& model_;
  VerifierDirectory& verifiers_;
  DrafterDirectory& drafters_;
  const Clock& clock_;
  const absl::Duration started_;
  LogBudget strangers_{10, absl::Seconds(10)};  // log lines of callers without a known key
  GatewayTotals totals_;
  DraftLedger ledger_;
  RetryBudget retry_budget_;
  RequestQueue queue_;
  OpenOutputs outputs_;
  Ticker ticker_;                              // uses everything above and, for requests, workers_
  const std::unique_ptr<WorkerPool> workers_;  // last: its threads use everything above
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_REQUEST_RUNNER_H_
