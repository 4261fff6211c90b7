// A model's chat template: Jinja2 that turns messages into the text that the model was trained on.
#ifndef RECYCLING_COMMON_CHAT_CHAT_TEMPLATE_H_
#define RECYCLING_COMMON_CHAT_CHAT_TEMPLATE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "common/chat/budget.h"
#include "common/chat/marked_text.h"
#include "common/chat/template_ast.h"
#include "common/chat/thinking.h"
#include "common/chat/value.h"

namespace recycling::chat {

inline constexpr std::size_t kMaxTemplateBytes = std::size_t{1} << 20;

// What a template is rendered with.
struct ChatTemplateInput {
  Value messages;  // as MessagesOf gives them
  Value tools;     // a list of tools, as JSON says them; None: no tools
  // More variables, for example enable_thinking: a dict whose keys are texts, or None. They do not
  // replace the others.
  Value arguments;
  bool add_generation_prompt = true;
  std::string bos_token;  // the text of the token; empty if the model has none
  std::string eos_token;
  absl::CivilSecond now;  // local time, for strftime_now
};

// The messages of a parsed JSON value (ParseJson with marks): a list of objects, each with a role.
// The roles that clients of chat APIs use lose their mark, because a template may build a control
// token with such a role. InvalidArgument with the message's index if one has another shape.
absl::StatusOr<Value> MessagesOf(const Value& parsed);

// Threads: immutable; Render may run in several at once.
class ChatTemplate {
 public:
  // InvalidArgument with line and column if the source does not parse, is not UTF-8 or is longer
  // than kMaxTemplateBytes. The source may be hostile.
  static absl::StatusOr<ChatTemplate> Parse(std::string_view source);

  // The prompt. Its marked parts came from the input and must not become control tokens.
  // InvalidArgument with line and column if the template raises an error or does something that is
  // one; ResourceExhausted if it needs more than `limits` allow.
  absl::StatusOr<MarkedText> Render(const ChatTemplateInput& input,
                                    const RenderLimits& limits = {}) const;

  // The markers around the thoughts of a model that thinks. Nothing for other models.
  std::optional<ThinkingMarkers> thinking() const { return ThinkingMarkersOf(source_); }

 private:
  ChatTemplate(std::string source, Statements statements)
      : source_(std::move(source)), statements_(std::move(statements)) {}

  std::string source_;  // with normalized line breaks
  Statements statements_;
};

}  // namespace recycling::chat

#endif  // RECYCLING_COMMON_CHAT_CHAT_TEMPLATE_H_
