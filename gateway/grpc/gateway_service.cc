#include "gateway/grpc/gateway_service.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/build_version.h"
#include "common/base/status_macros.h"
#include "common/rpc/call_metadata.h"
#include "common/rpc/proto_convert.h"
#include "common/rpc/status_grpc.h"
#include "common/tokenizer/utf8.h"
#include "gateway/front/request_caller.h"
#include "gateway/grpc/gateway_metrics.h"
#include "gateway/grpc/gateway_proto.h"
#include "gateway/grpc/generate_sink.h"
#include "gateway/grpc/request_id.h"

namespace recycling::gateway {
namespace {

// ApplyTemplate, Tokenize and Detokenize run on gRPC's own threads, and max_requests does not limit
// them. These limits keep each call short and its memory small.
constexpr std::size_t kMostTextBytes = 1 << 20;
constexpr int kMostIds = 1 << 16;
// A request may have this many bytes in addition to its text. A unary request, including unknown
// fields, stays in memory until the client has read the answer. Real requests are far smaller than
// this limit.
constexpr std::size_t kMostOtherBytes = 1 << 20;

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

absl::StatusOr<GenerateOptions> OptionsOf(const v1::GenerateRequest& proto) {
  return GenerateOptionsFromProto(proto);
}
absl::StatusOr<GenerateOptions> OptionsOf(const v1::ChatRequest& proto) {
  return ChatOptionsFromProto(proto);
}

// The result holds the bytes of a Message. They are parsed only when it is the request's turn.
template <typename Message>
IncomingRequest IncomingOf(const grpc::CallbackServerContext& context,
                           const grpc::ByteBuffer& bytes) {
  return {.bytes = bytes.Length(),
          .deadline = DeadlineOf(context),
          .trace = OriginOf(context.client_metadata()).trace,
          .read = [bytes]() -> absl::StatusOr<GenerateOptions> {
            ASSIGN_OR_RETURN(const auto proto, Parse<Message>(bytes));
            return OptionsOf(proto);
          },
          .request_id =
              [bytes] {
                grpc::ByteBuffer copy = bytes;
                grpc::ProtoBufferReader reader(&copy);
                return RequestIdOf(&reader);
              }};
}

absl::Status CheckRequestBytes(std::size_t got, std::size_t most) {
  if (got <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("request: got ", got, " bytes, expected at most ", most));
}

// Ends a call that BeginShort began. The call counts against the limits of its tenant until gRPC
// has finished it. So it also counts while the client does not read the answer.
class ShortReply final : public grpc::ServerUnaryReactor {
 public:
  ShortReply(std::unique_ptr<RequestQueue::ShortCall> call, const absl::Status& status)
      : call_(std::move(call)) {
    Finish(ToGrpcStatus(status));
  }
  void OnDone() override { delete this; }

 private:
  const std::unique_ptr<RequestQueue::ShortCall> call_;
};

// Ends a short call with a message or an error.
template <typename Message>
grpc::ServerUnaryReactor* FinishShort(std::unique_ptr<RequestQueue::ShortCall> call,
                                      const absl::StatusOr<Message>& answer,
                                      grpc::ByteBuffer* response) {
  if (answer.ok()) {
    const grpc::Slice slice(answer->SerializeAsString());
    *response = grpc::ByteBuffer(&slice, 1);
  }
  return new ShortReply(std::move(call), answer.status());
}

grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace

GatewayService::GatewayService(GatewayServiceOptions options, RequestRunner& runner,
                               const Clock& clock)
    : options_(std::move(options)),
      callers_(options_.callers == nullptr ? std::make_shared<const CallerCheck>()
                                           : options_.callers),
      runner_(runner),
      clock_(clock) {}

absl::StatusOr<Caller> GatewayService::Identify(const grpc::CallbackServerContext& context,
                                                Access access) {
  auto caller = callers_->Check(context, access);
  if (!caller.ok()) runner_.CountNotAllowed(caller.status());
  return caller;
}

absl::StatusOr<std::unique_ptr<RequestQueue::ShortCall>> GatewayService::BeginShort(
    const grpc::CallbackServerContext& context) {
  ASSIGN_OR_RETURN(const Caller caller, Identify(context, Access::kAny));
  return runner_.BeginShort(RequestCallerOf(caller));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* GatewayService::Generate(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return Run(context, IncomingOf<v1::GenerateRequest>(*context, *request));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* GatewayService::Chat(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  return Run(context, IncomingOf<v1::ChatRequest>(*context, *request));
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* GatewayService::Run(
    grpc::CallbackServerContext* context, IncomingRequest incoming) {
  const auto writer = StreamWriter::Create(context, clock_);
  const auto sink = std::make_shared<GenerateSink>(writer);
  const auto caller = callers_->Check(*context, Access::kInference);
  if (!caller.ok()) {
    runner_.RunNotAllowed(incoming, caller.status(), *sink);
    return writer.get();
  }
  runner_.Run(std::move(incoming), RequestCallerOf(*caller), sink);
  return writer.get();
}

grpc::ServerUnaryReactor* GatewayService::ApplyTemplate(grpc::CallbackServerContext* context,
                                                        const grpc::ByteBuffer* request,
                                                        grpc::ByteBuffer* response) {
  auto call = BeginShort(*context);
  if (!call.ok()) return Reply(context, call.status());
  const auto answer = [&]() -> absl::StatusOr<v1::ApplyTemplateResponse> {
    RETURN_IF_ERROR(CheckRequestBytes(request->Length(), kMostTextBytes + kMostOtherBytes));
    ASSIGN_OR_RETURN(const auto proto, Parse<v1::ApplyTemplateRequest>(*request));
    ASSIGN_OR_RETURN(const ChatPrompt prompt, ChatPromptFromProto(proto.conversation()));
    ASSIGN_OR_RETURN(const auto model, runner_.Model());
    ASSIGN_OR_RETURN(RenderedPrompt rendered, runner_.Render(prompt, *model));
    v1::ApplyTemplateResponse message;
    message.set_text(std::move(rendered.text));
    message.mutable_ids()->Add(rendered.ids.begin(), rendered.ids.end());
    return message;
  }();
  return FinishShort(*std::move(call), answer, response);
}

grpc::ServerUnaryReactor* GatewayService::GetModel(grpc::CallbackServerContext* context,
                                                   const v1::GetModelRequest* request,
                                                   v1::GetModelResponse* response) {
  if (const auto caller = Identify(*context, Access::kAny); !caller.ok()) {
    return Reply(context, caller.status());
  }
  if (const auto size = CheckRequestBytes(request->ByteSizeLong(), kMostOtherBytes); !size.ok()) {
    return Reply(context, size);
  }
  const auto model = runner_.Model();
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
  auto call = BeginShort(*context);
  if (!call.ok()) return Reply(context, call.status());
  const auto answer = [&]() -> absl::StatusOr<v1::TokenizeResponse> {
    RETURN_IF_ERROR(CheckRequestBytes(request->Length(), kMostTextBytes + kMostOtherBytes));
    ASSIGN_OR_RETURN(const v1::TokenizeRequest proto, Parse<v1::TokenizeRequest>(*request));
    if (proto.text().size() > kMostTextBytes) {
      return absl::InvalidArgumentError(absl::StrCat("text: got ", proto.text().size(),
                                                     " bytes, expected at most ", kMostTextBytes));
    }
    ASSIGN_OR_RETURN(const auto model, runner_.Model());
    const EncodeOptions options{.add_special = proto.has_add_special() ? proto.add_special() : true,
                                .parse_control = proto.parse_control()};
    ASSIGN_OR_RETURN(const auto ids, model->tokenizer->Encode(proto.text(), options));
    v1::TokenizeResponse message;
    message.mutable_ids()->Add(ids.begin(), ids.end());
    return message;
  }();
  return FinishShort(*std::move(call), answer, response);
}

grpc::ServerUnaryReactor* GatewayService::Detokenize(grpc::CallbackServerContext* context,
                                                     const v1::DetokenizeRequest* request,
                                                     v1::DetokenizeResponse* response) {
  auto call = BeginShort(*context);
  if (!call.ok()) return Reply(context, call.status());
  const auto text = [&]() -> absl::StatusOr<std::string> {
    RETURN_IF_ERROR(CheckRequestBytes(request->ByteSizeLong(), kMostOtherBytes));
    if (request->ids_size() > kMostIds) {
      return absl::InvalidArgumentError(
          absl::StrCat("ids: got ", request->ids_size(), ", expected at most ", kMostIds));
    }
    ASSIGN_OR_RETURN(const auto model, runner_.Model());
    const std::vector<TokenId> ids(request->ids().begin(), request->ids().end());
    return model->tokenizer->Decode(ids, request->render_control());
  }();
  if (!text.ok()) return new ShortReply(*std::move(call), text.status());
  response->set_text(ReplaceInvalidUtf8(*text));
  return new ShortReply(*std::move(call), absl::OkStatus());
}

grpc::ServerUnaryReactor* GatewayService::GetStats(grpc::CallbackServerContext* context,
                                                   const v1::GetStatsRequest*,
                                                   v1::GetStatsResponse* response) {
  if (const auto caller = Identify(*context, Access::kAdmin); !caller.ok()) {
    return Reply(context, caller.status());
  }
  *response = Stats();
  return Reply(context, absl::OkStatus());
}

void GatewayService::AddMetrics(MetricSet* metrics) const { AddGatewayMetrics(Stats(), metrics); }

v1::GetStatsResponse GatewayService::Stats() const {
  v1::GetStatsResponse response;
  StatsToProto(runner_.Stats(), &response);
  if (options_.add_peers) options_.add_peers(&response);
  return response;
}

grpc::ServerUnaryReactor* GatewayService::Drain(grpc::CallbackServerContext* context,
                                                const v1::DrainRequest*,
                                                v1::DrainResponse* response) {
  if (const auto caller = Identify(*context, Access::kAdmin); !caller.ok()) {
    return Reply(context, caller.status());
  }
  if (options_.on_drain) options_.on_drain();
  runner_.Drain();
  response->set_requests_running(static_cast<std::uint32_t>(runner_.Stats().queue.running));
  return Reply(context, absl::OkStatus());
}

}  // namespace recycling::gateway
