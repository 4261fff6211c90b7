#include "gateway/front/chat_prompt.h"

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "common/base/status_macros.h"
#include "common/chat/chat_template.h"
#include "common/chat/prompt_tokens.h"
#include "common/chat/unicode_text.h"

namespace recycling::gateway {
namespace {

// Stands behind the final message while the template runs, so that the end of the message can be
// found in the text. The space shows whether the template keeps white space at the end of messages.
// U+FDD0 is a character that Unicode reserves for uses such as this one.
constexpr std::string_view kEndMark = "\uFDD0";
constexpr std::string_view kEndMarkAndSpace = "\uFDD0 ";

absl::Status NotContinued(std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("continue_final_message: ", std::string(why)));
}

// The messages with the mark behind the final one.
absl::StatusOr<chat::Value> WithEndMark(const chat::Value& messages) {
  std::vector<chat::Value> items = messages.list()->items;
  const auto final = std::make_shared<chat::Dict>(*items.back().dict());
  const chat::Value* content = final->Find("content");
  if (final->Find("role")->text()->bytes() != "assistant" || content == nullptr ||
      !content->is_text()) {
    return NotContinued("expected a text of the assistant as the last message");
  }
  chat::MarkedText text = *content->text();
  text.Append(kEndMarkAndSpace, true);
  final->Set(chat::Value::Text("content"), chat::Value::Text(std::move(text)));
  items.back() = chat::Value::Of(final, true);
  return chat::Value::Of(chat::List::Make(std::move(items)), true);
}

// The text up to the end of the final message.
absl::StatusOr<chat::MarkedText> CutAtEndMark(const chat::MarkedText& text) {
  const std::string_view bytes = text.bytes();
  const std::size_t mark = bytes.rfind(kEndMark);
  if (mark == std::string_view::npos) {
    return NotContinued("the chat template does not print the last message");
  }
  std::size_t end = mark;
  if (!bytes.substr(mark).starts_with(kEndMarkAndSpace)) {
    end -= chat::TrailingSpace(bytes.substr(0, mark));
  }
  return text.Slice(0, end);
}

std::string TokenText(const Tokenizer& tokenizer, const std::optional<TokenId>& id) {
  return id.has_value() ? tokenizer.data().tokens[*id] : std::string();
}

absl::StatusOr<chat::MarkedText> Render(const ChatPrompt& prompt, const ServedModel& model,
                                        absl::Time now) {
  if (model.chat_template == nullptr) return model.no_chat_template;
  const chat::List* messages = prompt.messages.list();
  if (messages == nullptr || messages->items.empty()) {
    return absl::InvalidArgumentError("messages: got none, expected at least one");
  }
  if (prompt.continue_final_message && prompt.add_generation_prompt) {
    return NotContinued("got add_generation_prompt as well, expected one of them");
  }
  const Tokenizer& tokenizer = *model.tokenizer;
  chat::ChatTemplateInput input = {.messages = prompt.messages,
                                   .tools = prompt.tools,
                                   .arguments = prompt.arguments,
                                   .add_generation_prompt = prompt.add_generation_prompt,
                                   .bos_token = TokenText(tokenizer, tokenizer.data().bos),
                                   .eos_token = TokenText(tokenizer, tokenizer.data().eos),
                                   .now = absl::ToCivilSecond(now, absl::LocalTimeZone())};
  if (prompt.continue_final_message) {
    ASSIGN_OR_RETURN(input.messages, WithEndMark(prompt.messages));
  }
  absl::StatusOr<chat::MarkedText> text = model.chat_template->Render(input);
  if (!text.ok()) {
    // ResourceExhausted would tell the client to try again.
    return absl::InvalidArgumentError(absl::StrCat("chat template: ", text.status().message()));
  }
  if (!prompt.continue_final_message) return text;
  return CutAtEndMark(*text);
}

}  // namespace

absl::StatusOr<RenderedPrompt> RenderPrompt(const ChatPrompt& prompt, const ServedModel& model,
                                            absl::Time now, std::size_t max_bytes) {
  ASSIGN_OR_RETURN(const chat::MarkedText text, Render(prompt, model, now));
  if (text.size() > max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("messages: got a prompt of ", text.size(),
                                                   " bytes, expected at most ", max_bytes));
  }
  RenderedPrompt rendered{.text = text.bytes(), .ids = {}, .thinking = std::nullopt};
  if (const auto markers = model.chat_template->thinking(); markers.has_value()) {
    rendered.thinking = {*markers, chat::EndsInThinking(rendered.text, *markers)};
  }
  ASSIGN_OR_RETURN(rendered.ids, chat::EncodePrompt(*model.tokenizer, text));
  return rendered;
}

}  // namespace recycling::gateway
