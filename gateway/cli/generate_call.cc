#include "gateway/cli/generate_call.h"

#include "absl/flags/flag.h"
#include "gateway/cli/flags.h"

namespace recycling::cli {
namespace {

gateway::v1::ChatRequest ChatRequestFor(const gateway::v1::GenerateRequest& request) {
  gateway::v1::ChatRequest chat;
  gateway::v1::ChatMessage* message = chat.mutable_conversation()->add_messages();
  message->set_role("user");
  message->set_content(request.prompt());
  if (request.has_sampling()) *chat.mutable_sampling() = request.sampling();
  if (request.has_speculation()) *chat.mutable_speculation() = request.speculation();
  *chat.mutable_stop() = request.stop();
  chat.set_request_id(request.request_id());
  return chat;
}

}  // namespace

std::unique_ptr<grpc::ClientReaderInterface<gateway::v1::GenerateResponse>> StartGenerate(
    gateway::v1::GatewayService::StubInterface& stub, grpc::ClientContext* context,
    const gateway::v1::GenerateRequest& request) {
  if (absl::GetFlag(FLAGS_chat)) return stub.Chat(context, ChatRequestFor(request));
  return stub.Generate(context, request);
}

}  // namespace recycling::cli
