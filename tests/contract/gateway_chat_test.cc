// Chat and ApplyTemplate of the gateway over real gRPC, with fake verifiers whose handshake has a
// chat template.
#include "common/chat/chat_template.h"
#include "tests/contract/gateway_service_fixture.h"

namespace recycling::gateway {
namespace {

constexpr char kTemplate[] =
    "{{ bos_token }}{% for m in messages %}({{ m.role }}) {{ m.content }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}(assistant){% endif %}";

class GatewayChatTest : public GatewayServiceTest {
 protected:
  void AddVerifierWith(const std::string& chat_template) {
    auto service = std::make_unique<FakeVerifierService>();
    service->set_edit_handshake([=](verifier::v1::HandshakeResponse& response) {
      response.set_chat_template(chat_template);
    });
    AddVerifier(std::move(service));
  }

  Generated Chat(const std::string& text) {
    Generated generated;
    grpc::ClientContext context;
    const auto stream = stub_->Chat(&context, ParseProto<v1::ChatRequest>(text));
    for (v1::GenerateResponse response; stream->Read(&response);) {
      if (response.has_started()) generated.started = response.started();
      if (response.has_delta()) generated.deltas.push_back(response.delta());
      if (response.has_final()) generated.final = response.final();
    }
    generated.status = FromGrpcStatus(stream->Finish());
    return generated;
  }

  absl::StatusOr<v1::ApplyTemplateResponse> Apply(const std::string& text) {
    grpc::ClientContext context;
    v1::ApplyTemplateResponse response;
    const absl::Status status = FromGrpcStatus(
        stub_->ApplyTemplate(&context, ParseProto<v1::ApplyTemplateRequest>(text), &response));
    if (!status.ok()) return status;
    return response;
  }
};

constexpr char kHello[] = "conversation { messages { role: 'user' content: 'hello' } } ";

TEST_F(GatewayChatTest, WritesWhatThePromptOfTheTemplateGives) {
  AddVerifierWith(kTemplate);
  AddDrafter();
  Start();
  const auto applied = Apply(kHello);
  ASSERT_THAT(applied, IsOk());
  EXPECT_EQ(applied->text(), "<s>(user) hello</s>(assistant)");
  std::string ids;
  for (const std::uint32_t id : applied->ids()) ids += std::to_string(id) + ", ";
  ids.resize(ids.size() - 2);
  const Generated plain = Generate("prompt_ids { ids: [" + ids + "] } sampling { max_tokens: 20 }");
  const Generated chat =
      Chat(std::string(kHello) + "sampling { max_tokens: 20 } request_id: 'mine'");
  ASSERT_THAT(chat.status, IsOk());
  EXPECT_EQ(chat.tokens(), plain.tokens());
  EXPECT_EQ(chat.started.request_id(), "mine");
  EXPECT_EQ(chat.started.prompt_tokens(), static_cast<std::uint32_t>(applied->ids_size()));
}

TEST_F(GatewayChatTest, TakesFieldsToolsAndArguments) {
  AddVerifierWith(
      "{{ messages[0].name }} {{ messages[0].content }} {{ tools[0].name }} {{ mood }}");
  Start();
  const auto applied = Apply(
      "conversation { messages { role: 'tool' fields: '{\"name\": \"f\", \"content\": null}' }"
      " tools: '[{\"name\": \"g\"}]' template_arguments: '{\"mood\": \"good\"}' }");
  ASSERT_THAT(applied, IsOk());
  EXPECT_EQ(applied->text(), "f None g good");
}

TEST_F(GatewayChatTest, RefusesFieldsOfAnotherFormAndNamesTheField) {
  AddVerifierWith(kTemplate);
  Start();
  const std::string user = "messages { role: 'user' content: 'x' } ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "messages: got none"},
      {"messages { role: 'user' fields: '[]' }", "messages[0].fields: expected a JSON object"},
      {user + "messages { role: 'user' fields: '{' }", "messages[1].fields: not JSON at byte"},
      {"messages { role: 'user' fields: '{\"role\": 5}' }", "messages[0]: expected an object"},
      {user + "tools: '{}'", "tools: expected a JSON list"},
      {user + "tools: 'x'", "tools: not JSON"},
      {user + "template_arguments: '[]'", "template_arguments: expected a JSON object"},
      {user + "continue_final_message: true", "continue_final_message"},
  };
  for (const auto& [conversation, message] : cases) {
    const std::string request = "conversation { " + conversation + " }";
    EXPECT_THAT(Apply(request), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
    EXPECT_THAT(Chat(request).status,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

TEST_F(GatewayChatTest, AFileWithoutATemplateNamesTheFlag) {
  AddVerifierWith("");
  Start();
  EXPECT_THAT(Chat(kHello).status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("--chat_template")));
}

TEST_F(GatewayChatTest, ATemplateThatDoesNotParseFailsChatAndNothingElse) {
  AddVerifierWith("{% if %}");
  Start();
  EXPECT_THAT(Chat(kHello).status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("line 1, column 7")));
  EXPECT_THAT(Generate("prompt: 'hello' sampling { max_tokens: 3 }").status, IsOk());
}

TEST_F(GatewayChatTest, TheOperatorsTemplateReplacesTheFiles) {
  AddVerifierWith(kTemplate);
  options_.chat_template =
      std::make_shared<const chat::ChatTemplate>(*chat::ChatTemplate::Parse("mine"));
  Start();
  const auto applied = Apply(kHello);
  ASSERT_THAT(applied, IsOk());
  EXPECT_EQ(applied->text(), "mine");
}

TEST_F(GatewayChatTest, AVerifierWithATooLongTemplateIsNotReady) {
  AddVerifierWith(std::string(chat::kMaxTemplateBytes + 1, 'x'));
  Start(false);
  AwaitStats([](const v1::GetStatsResponse& stats) {
    return stats.peers_size() == 1 && !stats.peers(0).ready() &&
           stats.peers(0).detail().find("chat_template: got 1048577 bytes") != std::string::npos;
  });
}

}  // namespace
}  // namespace recycling::gateway
