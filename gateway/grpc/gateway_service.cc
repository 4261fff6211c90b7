#include "gateway/grpc/gateway_service.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/build_version.h"
#include "common/base/status_macros.h"
#include "common/rpc/call_metadata.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/status_grpc.h"
#include "common/tokenizer/utf8.h"
#include "gateway/front/request_log.h"
#include "gateway/grpc/gateway_metrics.h"
#include "gateway/grpc/gateway_proto.h"
#include "gateway/grpc/request_id.h"

namespace recycling::gateway {
namespace {

// Tokenize and Detokenize are not counted by max_requests and run on gRPC's own threads: these
// bounds keep one call short and its memory small.
constexpr std::size_t kMostTextBytes = 1 << 20;
constexpr int kMostIds = 1 << 16;

constexpr absl::Duration kReaderChecks = absl::Milliseconds(100);
constexpr absl::Duration kIdleChecks = absl::Milliseconds(10);
constexpr absl::Duration kLastWords = absl::Seconds(2);  // for the ends of interrupted requests

std::uint64_t Random64() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  return absl::FromChrono(deadline);
}

template <typename Message>
absl::StatusOr<Message> Parse(grpc::ByteBuffer bytes) {
  Message message;
  if (grpc::SerializationTraits<Message>::Deserialize(&bytes, &message).ok()) return message;
  return absl::InvalidArgumentError(absl::StrCat(
      "request: not a ", Message::descriptor()->full_name(), ", or a text in it is not UTF-8"));
}

grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace

// One Generate call.
struct GatewayService::Generation {
  RequestQueue::Ticket ticket = 0;
  std::shared_ptr<StreamWriter> writer;
  grpc::ByteBuffer bytes;
  absl::Time deadline;
  absl::Duration arrived;
  TraceContext trace;

  // Filled in as the request is understood.
  std::string request_id;
  std::string tenant;
  std::shared_ptr<const ServedModel> model;
  std::shared_ptr<VerifierClient> verifier;
  DecodeRequest request;
  std::uint32_t prompt_tokens = 0;
  std::uint64_t seed = 0;
  DecodeOutcome outcome;
};

GatewayService::GatewayService(GatewayServiceOptions options, std::unique_ptr<WorkerPool> workers,
                               const ModelReference& model, VerifierDirectory& verifiers,
                               DrafterDirectory& drafters, const Clock& clock)
    : options_(std::move(options)),
      model_(model),
      verifiers_(verifiers),
      drafters_(drafters),
      clock_(clock),
      started_(clock.Monotonic()),
      callers_(options_.callers == nullptr ? std::make_shared<const CallerCheck>()
                                           : options_.callers),
      retry_budget_({.burst = std::max(1.0, static_cast<double>(options_.max_requests))}),
      queue_(
          options_.admission, [this] { return Capacity(); }, clock),
      streams_(options_.readers, clock),
      workers_(std::move(workers)),
      ticker_([this] { return Tick(); }) {}

absl::StatusOr<Caller> GatewayService::Identify(const grpc::CallbackServerContext& context,
                                                Access access) {
  auto caller = callers_->Check(context, access);
  if (absl::IsUnauthenticated(caller.status())) ++unauthenticated_;
  if (absl::IsPermissionDenied(caller.status())) ++not_permitted_;
  return caller;
}

int GatewayService::Capacity() const {
  if (!options_.capacity) return options_.max_requests;
  const int room = options_.capacity();
  // Before the first verifier a request begins, and says what it misses; later it waits for one.
  if (room == 0 && model_.Get() == nullptr) return options_.max_requests;
  return std::min(room, options_.max_requests);
}

absl::Status GatewayService::WhyRefused(const Refusal& refusal) {
  const bool full =
      refusal.reason == RefusalReason::kQueueFull || refusal.reason == RefusalReason::kQueueTimeout;
  if ((!full && refusal.reason != RefusalReason::kDeadline) || Capacity() > 0) {
    return refusal.status;
  }
  const auto picked = verifiers_.Pick({});
  if (picked.ok()) return refusal.status;  // there is one since
  absl::Status why(full ? absl::StatusCode::kUnavailable : refusal.status.code(),
                   absl::StrCat(refusal.status.message(), "; ", picked.status().message()));
  refusal.status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& payload) { why.SetPayload(type, payload); });
  return why;
}

absl::Duration GatewayService::Tick() {
  const absl::Duration due = queue_.Tick();
  return streams_.Check() > 0 ? std::min(due, kReaderChecks) : due;
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* GatewayService::Generate(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  const auto writer = StreamWriter::Create(context, clock_);
  const auto caller = Identify(*context, Access::kInference);
  if (!caller.ok()) {
    totals_.Refuse();
    LogNotAllowed(*context, *request, caller.status());
    writer->End(caller.status());
    return writer.get();
  }
  auto generation = std::make_shared<Generation>();
  generation->writer = writer;
  generation->bytes = *request;
  generation->deadline = DeadlineOf(*context);
  generation->arrived = clock_.Monotonic();
  generation->trace = OriginOf(context->client_metadata()).trace;
  generation->tenant = caller->tenant;
  generation->ticket = queue_.NewTicket();
  const auto leave = [this, ticket = generation->ticket] { queue_.Leave(ticket); };
  writer->OnCancelCall(leave);
  streams_.Add(writer, {.trace = generation->trace, .tenant = generation->tenant});
  queue_.Submit(
      generation->ticket,
      {.tenant = caller->tenant,
       .limits = caller->limited ? caller->limits : options_.tenant_limits,
       .bytes = request->Length(),
       .deadline = MonotonicDeadline(generation->deadline)},
      [this, generation] {
        totals_.Begin();
        workers_->Submit([this, generation] { Run(*generation); });
      },
      [this, generation](const Refusal& refusal) {
        totals_.Refuse();
        const absl::Status status = WhyRefused(refusal);
        LogRefused(*generation, refusal.reason, status);
        generation->writer->End(status);
      });
  if (writer->cancelled()) leave();  // it was before there was anything to leave
  ticker_.Nudge();
  return writer.get();
}

absl::Duration GatewayService::MonotonicDeadline(absl::Time deadline) const {
  if (deadline == absl::InfiniteFuture()) return absl::InfiniteDuration();
  return clock_.Monotonic() + (deadline - clock_.Now());
}

void GatewayService::Run(Generation& generation) {
  const absl::Duration queue = clock_.Monotonic() - generation.arrived;
  DecodeOutcome& outcome = generation.outcome;
  outcome.status = Plan(generation);
  if (outcome.status.ok()) Decode(generation);
  outcome.timings.queue = queue;
  outcome.timings.total = clock_.Monotonic() - generation.arrived;
  generation.writer->OnCancelCall(nullptr);
  if (const absl::Status why = generation.writer->interrupted(); !why.ok()) outcome.status = why;
  totals_.End(outcome, generation.prompt_tokens);
  Log(generation);
  if (outcome.status.ok()) {
    v1::GenerateResponse response;
    FinalToProto(outcome, generation.prompt_tokens, generation.seed, response.mutable_final());
    generation.writer->Write(response);
  }
  queue_.Finish(generation.ticket);
  generation.writer->End(outcome.status);
}

void GatewayService::DrainWithin(absl::Duration grace) {
  const absl::Duration over = clock_.Monotonic() + grace;
  queue_.Drain();
  if (AwaitIdle(over)) return;
  streams_.InterruptAll(absl::UnavailableError("the gateway drains and its grace time is over"));
  AwaitIdle(clock_.Monotonic() + kLastWords);
  streams_.DropAll();
  AwaitIdle(clock_.Monotonic() + kLastWords);
}

bool GatewayService::AwaitIdle(absl::Duration until) {
  while (queue_.Counts().running > 0 || streams_.Counts().open > 0) {
    if (clock_.Monotonic() >= until) return false;
    absl::SleepFor(kIdleChecks);
  }
  return true;
}

absl::Status GatewayService::Plan(Generation& generation) {
  ASSIGN_OR_RETURN(const v1::GenerateRequest proto,
                   Parse<v1::GenerateRequest>(std::move(generation.bytes)));
  if (proto.request_id().size() > kLongestRequestId) {
    return absl::InvalidArgumentError(absl::StrCat("request_id: got ", proto.request_id().size(),
                                                   " bytes, expected at most ", kLongestRequestId));
  }
  generation.request_id = proto.request_id().empty()
                              ? absl::StrCat(absl::Hex(Random64(), absl::kZeroPad16))
                              : proto.request_id();
  ASSIGN_OR_RETURN(generation.model, Model());
  ASSIGN_OR_RETURN(GenerateOptions options, GenerateOptionsFromProto(proto));
  ASSIGN_OR_RETURN(generation.request,
                   PlanDecode(std::move(options), *generation.model->tokenizer,
                              generation.model->info.context_length, options_.defaults, Random64));
  generation.request.tenant = generation.tenant;
  generation.request.deadline = generation.deadline;
  generation.request.arrived = generation.arrived;
  generation.request.origin = {.request_id = generation.request_id, .trace = generation.trace};
  generation.prompt_tokens = static_cast<std::uint32_t>(generation.request.prompt_ids.size());
  generation.seed = *generation.request.sampling.seed;
  retry_budget_.Request();
  ASSIGN_OR_RETURN(generation.verifier, verifiers_.Pick({.tenant = generation.request.tenant,
                                                         .prompt = generation.request.prompt_ids,
                                                         .avoid = {}}));
  return absl::OkStatus();
}

void GatewayService::Decode(Generation& generation) {
  StreamWriter& writer = *generation.writer;
  v1::GenerateResponse response;
  response.mutable_started()->set_request_id(generation.request_id);
  response.mutable_started()->set_prompt_tokens(generation.prompt_tokens);
  response.mutable_started()->set_seed(generation.seed);
  writer.Write(response);

  const auto loop = std::make_shared<DecodeLoop>(
      std::move(generation.request),
      DecodeParts{.verifier = std::move(generation.verifier),
                  .moves = {.verifiers = verifiers_,
                            .budget = retry_budget_,
                            .clock = clock_,
                            .rules = options_.moves},
                  .drafters = drafters_,
                  .ledger = ledger_,
                  .clock = clock_,
                  .token_bytes = [model = generation.model](
                                     TokenId id) { return model->tokenizer->TokenBytes(id); },
                  .draft_deadline = options_.draft_deadline});
  writer.OnCancelCall([loop] { loop->Cancel(); });
  generation.outcome = loop->Run([this, &writer](OutputDelta delta) {
    totals_.Show(delta.tokens.size());
    v1::GenerateResponse message;
    DeltaToProto(delta, message.mutable_delta());
    writer.Write(message);
  });
}

void GatewayService::Log(const Generation& generation) const {
  LogRequest({.request_id = generation.request_id,
              .trace = generation.trace,
              .tenant = generation.tenant,
              .prompt_tokens = generation.prompt_tokens,
              .verifier = generation.outcome.verifier},
             generation.outcome);
}

void GatewayService::LogRefused(Generation& generation, RefusalReason reason,
                                const absl::Status& status) const {
  grpc::ProtoBufferReader request(&generation.bytes);
  LogRefusal({.request_id = RequestIdOf(&request),
              .trace = generation.trace,
              .tenant = generation.tenant,
              .reason = RefusalReasonName(reason),
              .status = status,
              .waited = clock_.Monotonic() - generation.arrived});
}

void GatewayService::LogNotAllowed(const grpc::CallbackServerContext& context,
                                   const grpc::ByteBuffer& request, const absl::Status& status) {
  const bool stranger = absl::IsUnauthenticated(status);
  const auto left_out =
      stranger ? strangers_.Take(clock_.Monotonic()) : std::optional<std::uint64_t>(0);
  if (!left_out.has_value()) return;
  grpc::ByteBuffer bytes = request;
  grpc::ProtoBufferReader reader(&bytes);
  LogRefusal({.request_id = RequestIdOf(&reader),
              .trace = OriginOf(context.client_metadata()).trace,
              .reason = stranger ? "unauthenticated" : "permission",
              .status = status,
              .left_out = *left_out});
}

absl::StatusOr<std::shared_ptr<const ServedModel>> GatewayService::Model() const {
  if (auto model = model_.Get(); model != nullptr) return model;
  auto picked = verifiers_.Pick({});
  if (!picked.ok()) return picked.status();
  return absl::UnavailableError("no verifier has been ready yet");
}

grpc::ServerUnaryReactor* GatewayService::GetModel(grpc::CallbackServerContext* context,
                                                   const v1::GetModelRequest*,
                                                   v1::GetModelResponse* response) {
  if (const auto caller = Identify(*context, Access::kAny); !caller.ok()) {
    return Reply(context, caller.status());
  }
  const auto model = Model();
  if (!model.ok()) return Reply(context, model.status());
  const VerifierInfo& info = (*model)->info;
  ModelIdentityToProto(info.model, response->mutable_model());
  response->set_context_length(info.context_length);
  response->set_description(info.model_description);
  response->set_kernel(info.kernel);
  response->set_numerics_id(info.numerics_id);
  response->mutable_eos_token_ids()->Add(info.eos_token_ids.begin(), info.eos_token_ids.end());
  response->set_build(BuildVersion());
  return Reply(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* GatewayService::Tokenize(grpc::CallbackServerContext* context,
                                                   const grpc::ByteBuffer* request,
                                                   grpc::ByteBuffer* response) {
  const auto answer = [&]() -> absl::StatusOr<v1::TokenizeResponse> {
    RETURN_IF_ERROR(Identify(*context, Access::kAny).status());
    ASSIGN_OR_RETURN(const v1::TokenizeRequest proto, Parse<v1::TokenizeRequest>(*request));
    if (proto.text().size() > kMostTextBytes) {
      return absl::InvalidArgumentError(absl::StrCat("text: got ", proto.text().size(),
                                                     " bytes, expected at most ", kMostTextBytes));
    }
    ASSIGN_OR_RETURN(const auto model, Model());
    const EncodeOptions options{.add_special = proto.has_add_special() ? proto.add_special() : true,
                                .parse_control = proto.parse_control()};
    ASSIGN_OR_RETURN(const auto ids, model->tokenizer->Encode(proto.text(), options));
    v1::TokenizeResponse message;
    message.mutable_ids()->Add(ids.begin(), ids.end());
    return message;
  }();
  if (!answer.ok()) return Reply(context, answer.status());
  const grpc::Slice slice(answer->SerializeAsString());
  *response = grpc::ByteBuffer(&slice, 1);
  return Reply(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* GatewayService::Detokenize(grpc::CallbackServerContext* context,
                                                     const v1::DetokenizeRequest* request,
                                                     v1::DetokenizeResponse* response) {
  const auto text = [&]() -> absl::StatusOr<std::string> {
    RETURN_IF_ERROR(Identify(*context, Access::kAny).status());
    if (request->ids_size() > kMostIds) {
      return absl::InvalidArgumentError(
          absl::StrCat("ids: got ", request->ids_size(), ", expected at most ", kMostIds));
    }
    ASSIGN_OR_RETURN(const auto model, Model());
    const std::vector<TokenId> ids(request->ids().begin(), request->ids().end());
    return model->tokenizer->Decode(ids, request->render_control());
  }();
  if (!text.ok()) return Reply(context, text.status());
  response->set_text(ReplaceInvalidUtf8(*text));
  return Reply(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* GatewayService::GetStats(grpc::CallbackServerContext* context,
                                                   const v1::GetStatsRequest*,
                                                   v1::GetStatsResponse* response) {
  if (const auto caller = Identify(*context, Access::kAdmin); !caller.ok()) {
    return Reply(context, caller.status());
  }
  FillStats(response);
  return Reply(context, absl::OkStatus());
}

void GatewayService::AddMetrics(MetricSet* metrics) const {
  v1::GetStatsResponse stats;
  FillStats(&stats);
  AddGatewayMetrics(stats, metrics);
}

void GatewayService::FillStats(v1::GetStatsResponse* response) const {
  const Totals totals = totals_.Snapshot();
  response->set_uptime_micros(
      static_cast<std::uint64_t>(absl::ToInt64Microseconds(clock_.Monotonic() - started_)));
  response->set_requests_running(static_cast<std::uint32_t>(totals.running));
  response->set_requests_succeeded(totals.succeeded);
  response->set_requests_failed(totals.failed);
  response->set_prompt_tokens(totals.prompt_tokens);
  response->set_completion_tokens(totals.completion_tokens);
  SpeculationToProto(totals.speculation, response->mutable_speculation());
  TimingsToProto(totals.timings, response->mutable_timings());
  StepDurationsToProto(totals.steps, response->mutable_steps());
  AddLoadToProto(queue_.Counts(), streams_.Counts(), response);
  AddRefusalsToProto(v1::REFUSAL_REASON_UNAUTHENTICATED, unauthenticated_, response);
  AddRefusalsToProto(v1::REFUSAL_REASON_PERMISSION, not_permitted_, response);
  EndsToProto(totals, response);
  RequestDurationsToProto(totals.requests, response->mutable_requests());
  if (options_.add_peers) options_.add_peers(response);
}

grpc::ServerUnaryReactor* GatewayService::Drain(grpc::CallbackServerContext* context,
                                                const v1::DrainRequest*,
                                                v1::DrainResponse* response) {
  if (const auto caller = Identify(*context, Access::kAdmin); !caller.ok()) {
    return Reply(context, caller.status());
  }
  if (options_.on_drain) options_.on_drain();
  queue_.Drain();
  response->set_requests_running(static_cast<std::uint32_t>(queue_.Counts().running));
  return Reply(context, absl::OkStatus());
}

}  // namespace recycling::gateway
