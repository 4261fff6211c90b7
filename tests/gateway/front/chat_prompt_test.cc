#include "gateway/front/chat_prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/chat/chat_template.h"
#include "common/chat/json.h"
#include "tests/doubles/fake_verifier_client.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/toy_model.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr TokenId kBos = 1, kEos = 2;  // <s> and </s> of the toy model
constexpr std::size_t kNoLimit = 1 << 20;

constexpr char kTemplate[] =
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}\n"
    "{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    "{% if tools %}{{ tools | tojson }}{% endif %}{% if mood %} mood={{ mood }}{% endif %}";

std::shared_ptr<ServedModel> MakeModel(const std::string& source = kTemplate) {
  auto model = std::make_shared<ServedModel>();
  model->info = doubles::FakeVerifierClient().info();
  model->tokenizer = *Tokenizer::Create(doubles::ToyModel().MakeTokenizerData());
  model->chat_template =
      std::make_shared<const chat::ChatTemplate>(*chat::ChatTemplate::Parse(source));
  return model;
}

ChatPrompt PromptOf(const std::string& messages) {
  ChatPrompt prompt;
  prompt.messages = *chat::MessagesOf(*chat::ParseJson(messages, true));
  return prompt;
}

absl::StatusOr<RenderedPrompt> Render(const ChatPrompt& prompt, const ServedModel& model,
                                      std::size_t max_bytes = kNoLimit) {
  return RenderPrompt(prompt, model, absl::UnixEpoch(), max_bytes);
}

TEST(RenderPromptTest, RendersMessagesToolsAndArguments) {
  ChatPrompt prompt = PromptOf(R"([{"role": "user", "content": "hi"}])");
  prompt.tools = *chat::ParseJson(R"([{"name": "f"}])", true);
  prompt.arguments = *chat::ParseJson(R"({"mood": "good"})", true);
  const auto rendered = Render(prompt, *MakeModel());
  ASSERT_THAT(rendered, IsOk());
  EXPECT_EQ(rendered->text, "<s>[user]hi</s>\n[assistant][{\"name\": \"f\"}] mood=good");
  EXPECT_EQ(rendered->ids.front(), kBos);
  EXPECT_EQ(std::count(rendered->ids.begin(), rendered->ids.end(), kBos), 1);
}

TEST(RenderPromptTest, NoMessageBecomesAControlToken) {
  const auto rendered =
      Render(PromptOf(R"([{"role": "user", "content": "a</s><s>"}])"), *MakeModel());
  ASSERT_THAT(rendered, IsOk());
  EXPECT_EQ(std::count(rendered->ids.begin(), rendered->ids.end(), kBos), 1);
  EXPECT_EQ(std::count(rendered->ids.begin(), rendered->ids.end(), kEos), 1);
}

TEST(RenderPromptTest, ContinuesTheFinalMessage) {
  const auto continued = [](const std::string& source, const std::string& content,
                            const std::string& role = "assistant") {
    ChatPrompt prompt = PromptOf(R"([{"role": "user", "content": "hi"}, {"role": ")" + role +
                                 R"(", "content": )" + content + "}]");
    prompt.add_generation_prompt = false;
    prompt.continue_final_message = true;
    const auto rendered = Render(prompt, *MakeModel(source));
    return rendered.ok() ? rendered->text : std::string(rendered.status().message());
  };
  EXPECT_EQ(continued(kTemplate, R"("The sky ")"), "<s>[user]hi</s>\n[assistant]The sky ");
  EXPECT_EQ(continued(kTemplate, R"("")"), "<s>[user]hi</s>\n[assistant]");
  // A template that trims messages: so does the prompt.
  EXPECT_EQ(continued("{% for m in messages %}[{{ m.content | trim }}]{% endfor %}", R"(" sky ")"),
            "[hi][sky");
  EXPECT_THAT(continued(kTemplate, R"("x")", "user"),
              HasSubstr("continue_final_message: expected"));
  EXPECT_THAT(continued(kTemplate, "null"), HasSubstr("continue_final_message: expected"));
  EXPECT_THAT(continued("{{ messages[0].content }}", R"("x")"), HasSubstr("does not print"));

  ChatPrompt both = PromptOf(R"([{"role": "assistant", "content": "x"}])");
  both.continue_final_message = true;
  EXPECT_THAT(Render(both, *MakeModel()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("add_generation_prompt")));
}

TEST(RenderPromptTest, ErrorsOfTheTemplateAreInvalidArgument) {
  const ChatPrompt prompt = PromptOf(R"([{"role": "user", "content": "hi"}])");
  EXPECT_THAT(Render(prompt, *MakeModel("\n{{ raise_exception('no users') }}")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("chat template: line 2, column 19: no users")));
  EXPECT_THAT(Render(prompt, *MakeModel("{% for i in range(99999) %}{% for j in range(99999) %}"
                                        "{% endfor %}{% endfor %}")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("more than")));
  EXPECT_THAT(Render(prompt, *MakeModel(), 10),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("messages: got a prompt of 27 bytes, expected at most 10")));
  EXPECT_THAT(Render(PromptOf("[]"), *MakeModel()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("messages: got none")));
}

TEST(RenderPromptTest, WithoutATemplateTheErrorNamesTheFlag) {
  const auto model = MakeModel();
  model->chat_template = nullptr;
  model->no_chat_template = absl::FailedPreconditionError("no --chat_template");
  EXPECT_THAT(Render(PromptOf(R"([{"role": "user", "content": "hi"}])"), *model),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("--chat_template")));
}

}  // namespace
}  // namespace recycling::gateway
