#include "common/chat/chat_template.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "common/chat/interpreter.h"
#include "common/chat/operators.h"
#include "common/chat/template_lexer.h"
#include "common/chat/template_parser.h"
#include "common/tokenizer/utf8.h"

namespace recycling::chat {
namespace {

constexpr std::array<std::string_view, 7> kRoles = {"assistant", "developer", "function", "ipython",
                                                    "system",    "tool",      "user"};

}  // namespace

absl::StatusOr<Value> MessagesOf(const Value& parsed) {
  const List* list = parsed.list();
  if (list == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("messages: got ", TypeName(parsed), ", expected a list"));
  }
  std::vector<Value> messages;
  for (std::size_t i = 0; i < list->items.size(); ++i) {
    const Dict* fields = list->items[i].dict();
    const Value* role = fields == nullptr ? nullptr : fields->Find("role");
    if (role == nullptr || !role->is_text()) {
      return absl::InvalidArgumentError(
          absl::StrCat("messages[", i, "]: expected an object with a text in \"role\""));
    }
    const std::string& name = role->text()->bytes();
    if (std::find(kRoles.begin(), kRoles.end(), name) == kRoles.end()) {
      messages.push_back(list->items[i]);
      continue;
    }
    auto message = std::make_shared<Dict>(*fields);
    message->Set(Value::Text("role"), Value::Text(name));
    messages.push_back(Value::Of(std::move(message), true));
  }
  return Value::Of(List::Make(std::move(messages)), true);
}

absl::StatusOr<ChatTemplate> ChatTemplate::Parse(std::string_view source) {
  if (source.size() > kMaxTemplateBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the template has ", source.size(),
                                                   " bytes, expected at most ", kMaxTemplateBytes));
  }
  if (const std::optional<std::size_t> invalid = FindInvalidUtf8(source)) {
    return ErrorAt(source, *invalid, "not UTF-8");
  }
  std::string normalized = NormalizeLineBreaks(source);
  ASSIGN_OR_RETURN(Statements statements, ParseTemplate(normalized));
  return ChatTemplate(std::move(normalized), std::move(statements));
}

absl::StatusOr<MarkedText> ChatTemplate::Render(const ChatTemplateInput& input,
                                                const RenderLimits& limits) const {
  // Without documents, templates expect the value None, not an undefined name.
  std::vector<std::pair<std::string, Value>> variables = {{"documents", Value()}};
  if (const Dict* arguments = input.arguments.dict()) {
    for (const Dict::Entry& entry : arguments->entries()) {
      if (entry.key.is_text()) variables.emplace_back(entry.key.text()->bytes(), entry.value);
    }
  }
  variables.emplace_back("messages", input.messages);
  variables.emplace_back("tools", input.tools);
  variables.emplace_back("add_generation_prompt", Value::Bool(input.add_generation_prompt));
  variables.emplace_back("bos_token", Value::Text(input.bos_token));
  variables.emplace_back("eos_token", Value::Text(input.eos_token));
  return RunTemplate(source_, statements_, std::move(variables), input.now, limits);
}

}  // namespace recycling::chat
