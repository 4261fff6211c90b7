// Turns a conversation into the prompt of a request, with the chat template of the served model.
#ifndef RECYCLING_GATEWAY_FRONT_CHAT_PROMPT_H_
#define RECYCLING_GATEWAY_FRONT_CHAT_PROMPT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/chat/thinking.h"
#include "common/chat/value.h"
#include "common/decoding/token_id.h"
#include "gateway/fleet/served_model.h"

namespace recycling::gateway {

// A conversation to continue. Everything in it is marked (chat::ParseJson), except known roles.
struct ChatPrompt {
  chat::Value messages;   // as chat::MessagesOf gives them
  chat::Value tools;      // a list; None: no tools
  chat::Value arguments;  // more variables of the template: a dict, or None
  bool add_generation_prompt = true;
  bool continue_final_message = false;
};

struct RenderedPrompt {
  std::string text;
  std::vector<TokenId> ids;
  std::optional<chat::ThinkingStart> thinking;  // of the answer; absent if the model does not think
};

// The prompt. `now` is what the template may print, in local time. FailedPrecondition if the model
// has no chat template. InvalidArgument
//  - with the line and column of the template if it raises an error or exceeds its limits;
//  - if the text has more than `max_bytes`;
//  - if the conversation has no messages;
//  - if continue_final_message is set and the last message is not a text of the assistant, or the
//    template does not print it, or add_generation_prompt is set as well.
absl::StatusOr<RenderedPrompt> RenderPrompt(const ChatPrompt& prompt, const ServedModel& model,
                                            absl::Time now, std::size_t max_bytes);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_CHAT_PROMPT_H_
