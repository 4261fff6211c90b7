// Reads requests of the OpenAI API.
#ifndef RECYCLING_GATEWAY_HTTP_OPENAI_REQUEST_H_
#define RECYCLING_GATEWAY_HTTP_OPENAI_REQUEST_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "gateway/front/generate_plan.h"

namespace recycling::gateway {

// What a request asks for, and how its answer is to be sent.
struct OpenAiRequest {
  GenerateOptions options;  // with the first prompt
  // The further prompts of a completion. Each has a choice of its own in the answer.
  std::vector<decltype(GenerateOptions::prompt)> more_prompts;
  bool stream = false;
  bool include_usage = false;  // with `stream`: a last chunk with the usage
  bool logprobs = false;
};

// The body of POST /v1/chat/completions, or of POST /v1/completions. Unknown fields are ignored.
// InvalidArgument, made by InvalidField or UnsupportedField, for a known field of a wrong type or
// out of the range that can be told here, for one that is not supported, and for a body that is no
// JSON object. PlanDecode and RenderPrompt check the rest.
absl::StatusOr<OpenAiRequest> ParseChatCompletion(std::string_view body);
absl::StatusOr<OpenAiRequest> ParseCompletion(std::string_view body);

// The conversation of a body with messages, as POST /apply-template takes it.
absl::StatusOr<ChatPrompt> ParseConversation(std::string_view body);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_OPENAI_REQUEST_H_
