// Writes answers of the OpenAI API. Each function returns one JSON object in one line.
#ifndef RECYCLING_GATEWAY_HTTP_OPENAI_ANSWER_H_
#define RECYCLING_GATEWAY_HTTP_OPENAI_ANSWER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gateway/front/output_sink.h"

namespace recycling::gateway {

// What all objects of one answer have in common.
struct AnswerHead {
  bool chat = true;  // of /v1/chat/completions, else of /v1/completions
  std::string id;
  std::int64_t created = 0;  // seconds since 1970
  std::string model;
  std::string fingerprint;
};

// The bytes of a token's text.
using TokenTextFn = std::function<std::string(TokenId)>;

// The first chunk of a chat stream, which alone says the role.
std::string RoleChunk(const AnswerHead& head);
// Text of a stream; with log-probabilities if the delta has them, and with the step's tree in
// "speculation" if it has a trace.
std::string DeltaChunk(const AnswerHead& head, const OutputDelta& delta, bool logprobs,
                       const TokenTextFn& token_text);
// The last chunk with a choice.
std::string FinishChunk(const AnswerHead& head, FinishReason reason);
// The chunk with the usage and without a choice.
std::string UsageChunk(const AnswerHead& head, const OutputSummary& summary);

// A whole answer.
std::string WholeAnswer(const AnswerHead& head, const std::string& text,
                        const std::vector<TokenLogprob>& logprobs, bool with_logprobs,
                        const TokenTextFn& token_text, const OutputSummary& summary);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_OPENAI_ANSWER_H_
