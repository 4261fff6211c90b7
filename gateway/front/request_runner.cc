#include "gateway/front/request_runner.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "gateway/front/request_log.h"
#include "gateway/front/stop_signal.h"

namespace recycling::gateway {
namespace {

constexpr absl::Duration kReaderChecks = absl::Milliseconds(100);
constexpr absl::Duration kIdleChecks = absl::Milliseconds(10);
constexpr absl::Duration kLastWords = absl::Seconds(2);  // for interrupted requests to end

std::uint64_t Random64() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

// One request, from its arrival to its end.
struct RequestRunner::Request {
  RequestQueue::Ticket ticket = 0;
  IncomingRequest incoming;
  std::shared_ptr<OutputSink> sink;
  absl::Duration arrived;
  std::string tenant;
  StopSignal stop;
  std::atomic<bool> stops_waiting = false;  // for a verifier

  // Plan and Decode fill in the following.
  std::string request_id;
  std::shared_ptr<const ServedModel> model;
  std::shared_ptr<VerifierClient> verifier;
  DecodeRequest decode;
  std::uint32_t prompt_tokens = 0;
  std::uint64_t seed = 0;
  std::optional<chat::ThinkingStart> thinking;
  DecodeOutcome outcome;
};

RequestRunner::RequestRunner(RequestRunnerOptions options, std::unique_ptr<WorkerPool> workers,
                             const ModelReference& model, VerifierDirectory& verifiers,
                             DrafterDirectory& drafters, const Clock& clock)
    : options_(std::move(options)),
      model_(model),
      verifiers_(verifiers),
      drafters_(drafters),
      clock_(clock),
      started_(clock.Monotonic()),
      retry_budget_({.burst = std::max(1.0, static_cast<double>(options_.max_requests))}),
      queue_(
          options_.admission, [this] { return Capacity(); }, clock),
      outputs_(options_.readers, clock),
      ticker_([this] { return Tick(); }),
      workers_(std::move(workers)) {}

RequestRunner::~RequestRunner() {
  ticker_.Stop();  // it uses workers_; their threads may nudge it until they have ended
}

int RequestRunner::Capacity() const {
  if (!options_.capacity) return options_.max_requests;
  return std::min(options_.capacity(), options_.max_requests);
}

absl::Status RequestRunner::WhyRefused(const Refusal& refusal) {
  const bool full =
      refusal.reason == RefusalReason::kQueueFull || refusal.reason == RefusalReason::kQueueTimeout;
  if ((!full && refusal.reason != RefusalReason::kDeadline) || Capacity() > 0) {
    return refusal.status;
  }
  const auto picked = verifiers_.Pick({});
  if (picked.ok()) return refusal.status;  // one has become ready since
  absl::Status why(full ? absl::StatusCode::kUnavailable : refusal.status.code(),
                   absl::StrCat(refusal.status.message(), "; ", picked.status().message()));
  refusal.status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& payload) { why.SetPayload(type, payload); });
  return why;
}

absl::Duration RequestRunner::Tick() {
  const absl::Duration due = queue_.Tick();
  return outputs_.Check() > 0 ? std::min(due, kReaderChecks) : due;
}

absl::Duration RequestRunner::MonotonicDeadline(absl::Time deadline) const {
  if (deadline == absl::InfiniteFuture()) return absl::InfiniteDuration();
  return clock_.Monotonic() + (deadline - clock_.Now());
}

void RequestRunner::Run(IncomingRequest incoming, const RequestCaller& caller,
                        std::shared_ptr<OutputSink> sink) {
  const auto request = std::make_shared<Request>();
  request->incoming = std::move(incoming);
  request->sink = std::move(sink);
  request->arrived = clock_.Monotonic();
  request->tenant = caller.tenant;
  request->ticket = queue_.NewTicket();
  outputs_.Add(request->sink, {.trace = request->incoming.trace, .tenant = request->tenant},
               [weak = std::weak_ptr(request)](const absl::Status& why) {
                 if (const auto running = weak.lock()) running->stop.Stop(why);
               });
  const auto leave = [this, ticket = request->ticket] { queue_.Leave(ticket); };
  request->stop.OnStop(leave);
  request->sink->OnGone([request] { request->stop.Stop(absl::OkStatus()); });
  queue_.Submit(
      request->ticket,
      {.tenant = request->tenant,
       .limits = caller.limits.value_or(options_.tenant_limits),
       .bytes = request->incoming.bytes,
       .deadline = MonotonicDeadline(request->incoming.deadline)},
      [this, request] {
        totals_.Begin();
        workers_->Submit([this, request] { Begin(*request); });
      },
      [this, request](const Refusal& refusal) { Refuse(*request, refusal); });
  if (request->stop.stopped()) leave();  // it was stopped before it was in the queue
  ticker_.Nudge();
}

void RequestRunner::Begin(Request& request) {
  const absl::Duration queue = clock_.Monotonic() - request.arrived;
  DecodeOutcome& outcome = request.outcome;
  outcome.status = Plan(request);
  if (outcome.status.ok()) Decode(request);
  outcome.timings.queue = queue;
  outcome.timings.total = clock_.Monotonic() - request.arrived;
  request.sink->OnGone(nullptr);
  outcome.status = request.stop.Settle(outcome.status);
  totals_.End(outcome, request.prompt_tokens);
  LogRequest({.request_id = request.request_id,
              .trace = request.incoming.trace,
              .tenant = request.tenant,
              .prompt_tokens = request.prompt_tokens,
              .verifier = outcome.verifier},
             outcome);
  if (outcome.status.ok()) {
    request.sink->Finish(
        {.outcome = outcome, .prompt_tokens = request.prompt_tokens, .seed = request.seed});
  }
  queue_.Finish(request.ticket);
  request.sink->End(outcome.status);
}

void RequestRunner::Refuse(Request& request, const Refusal& refusal) {
  request.sink->OnGone(nullptr);
  totals_.Refuse();
  const absl::Status status = request.stop.Settle(WhyRefused(refusal));
  LogRefusal({.request_id = request.incoming.request_id(),
              .trace = request.incoming.trace,
              .tenant = request.tenant,
              .reason = RefusalReasonName(refusal.reason),
              .status = status,
              .waited = clock_.Monotonic() - request.arrived});
  request.sink->End(status);
}

void RequestRunner::RunNotAllowed(const IncomingRequest& request, const absl::Status& why,
                                  OutputSink& sink) {
  totals_.Refuse();
  totals_.CountNotAllowed(why);
  const bool stranger = absl::IsUnauthenticated(why);
  const auto left_out =
      stranger ? strangers_.Take(clock_.Monotonic()) : std::optional<std::uint64_t>(0);
  if (left_out.has_value()) {
    LogRefusal({.request_id = request.request_id(),
                .trace = request.trace,
                .reason = stranger ? "unauthenticated" : "permission",
                .status = why,
                .left_out = *left_out});
  }
  sink.End(why);
}

absl::StatusOr<std::unique_ptr<RequestQueue::ShortCall>> RequestRunner::BeginShort(
    const RequestCaller& caller) {
  return queue_.BeginShort(caller.tenant, caller.limits.value_or(options_.tenant_limits));
}

absl::StatusOr<std::shared_ptr<const ServedModel>> RequestRunner::Model() const {
  if (auto model = model_.Get(); model != nullptr) return model;
  auto picked = verifiers_.Pick({});
  if (!picked.ok()) return picked.status();
  return absl::UnavailableError("no verifier has been ready yet");
}

absl::StatusOr<RenderedPrompt> RequestRunner::Render(const ChatPrompt& prompt,
                                                     const ServedModel& model) const {
  return RenderPrompt(prompt, model, clock_.Now(),
                      MaxPromptBytes(options_.defaults, model.info.context_length));
}

absl::Status RequestRunner::Plan(Request& request) {
  auto options = std::exchange(request.incoming.read, nullptr)();
  if (!options.ok()) {
    request.request_id = request.incoming.request_id();
    return options.status();
  }
  if (options->request_id.size() > kLongestRequestId) {
    return absl::InvalidArgumentError(absl::StrCat("request_id: got ", options->request_id.size(),
                                                   " bytes, expected at most ", kLongestRequestId));
  }
  request.request_id = options->request_id.empty()
                           ? absl::StrCat(absl::Hex(Random64(), absl::kZeroPad16))
                           : options->request_id;
  ASSIGN_OR_RETURN(request.model, Model());
  if (const auto* chat = std::get_if<ChatPrompt>(&options->prompt)) {
    ASSIGN_OR_RETURN(RenderedPrompt rendered, Render(*chat, *request.model));
    options->prompt = std::move(rendered.ids);
    request.thinking = rendered.thinking;
  }
  ASSIGN_OR_RETURN(request.decode,
                   PlanDecode(*std::move(options), *request.model->tokenizer,
                              request.model->info.context_length, options_.defaults, Random64));
  request.decode.tenant = request.tenant;
  request.decode.deadline = request.incoming.deadline;
  request.decode.arrived = request.arrived;
  request.decode.origin = {.request_id = request.request_id, .trace = request.incoming.trace};
  request.prompt_tokens = static_cast<std::uint32_t>(request.decode.prompt_ids.size());
  request.seed = *request.decode.sampling.seed;
  retry_budget_.Request();
  ASSIGN_OR_RETURN(request.verifier, AwaitVerifier(request));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<VerifierClient>> RequestRunner::AwaitVerifier(Request& request) {
  request.stop.OnStop([this, &request] {
    request.stops_waiting = true;
    verifiers_.Wake();
  });
  const absl::Duration until = std::min(request.arrived + options_.admission.queue_timeout,
                                        MonotonicDeadline(request.incoming.deadline));
  while (true) {
    auto picked = verifiers_.Pick(
        {.tenant = request.tenant, .prompt = request.decode.prompt_ids, .avoid = {}});
    const absl::Duration left = until - clock_.Monotonic();
    if (picked.ok() || left <= absl::ZeroDuration()) return picked;
    if (request.stops_waiting) return absl::CancelledError("the request was cancelled");
    verifiers_.Await(std::min(left, kLongestAwait), request.stops_waiting);
  }
}

void RequestRunner::Decode(Request& request) {
  request.sink->Start({.request_id = request.request_id,
                       .prompt_tokens = request.prompt_tokens,
                       .seed = request.seed,
                       .thinking = request.thinking});
  const auto loop = std::make_shared<DecodeLoop>(
      std::move(request.decode),
      DecodeParts{.verifier = std::move(request.verifier),
                  .moves = {.verifiers = verifiers_,
                            .budget = retry_budget_,
                            .clock = clock_,
                            .rules = options_.moves},
                  .drafters = drafters_,
                  .ledger = ledger_,
                  .clock = clock_,
                  .token_bytes = [model = request.model](
                                     TokenId id) { return model->tokenizer->TokenBytes(id); },
                  .draft_deadline = options_.draft_deadline,
                  .on_steps = [this](const SpeculationStats& steps) { totals_.CountSteps(steps); },
                  .on_step_times = [this](const StepTimes& times) { totals_.CountTimes(times); }});
  request.stop.OnStop([loop] { loop->Cancel(); });
  request.outcome = loop->Run([this, &request](const OutputDelta& delta) {
    totals_.Show(delta.tokens.size());
    request.sink->Show(delta);
  });
}

void RequestRunner::DrainWithin(absl::Duration grace) {
  const absl::Duration over = clock_.Monotonic() + grace;
  queue_.Drain();
  if (AwaitIdle(over)) return;
  outputs_.InterruptAll(absl::UnavailableError("the gateway drains and its grace time is over"));
  AwaitIdle(clock_.Monotonic() + kLastWords);
  outputs_.DropAll();
  AwaitIdle(clock_.Monotonic() + kLastWords);
}

bool RequestRunner::AwaitIdle(absl::Duration until) {
  while (queue_.Counts().running > 0 || outputs_.Counts().open > 0) {
    if (clock_.Monotonic() >= until) return false;
    absl::SleepFor(kIdleChecks);
  }
  return true;
}

RunnerStats RequestRunner::Stats() const {
  return {.uptime = clock_.Monotonic() - started_,
          .totals = totals_.Snapshot(),
          .queue = queue_.Counts(),
          .outputs = outputs_.Counts()};
}

}  // namespace recycling::gateway
