// Writes answers of the OpenAI API. Each function returns one JSON object in one line.
#ifndef RECYCLING_GATEWAY_HTTP_OPENAI_ANSWER_H_
#define RECYCLING_GATEWAY_HTTP_OPENAI_ANSWER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/chat/thinking.h"
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

// A choice of a whole answer. It grows while the choice is decoded.
class WholeChoice {
 public:
  // Without log-probabilities if `token_text` is null.
  WholeChoice(bool chat, int index, TokenTextFn token_text);

  void Add(const chat::AnswerParts& parts, const std::vector<TokenLogprob>& logprobs);

  // Of the text and of the log-probabilities as JSON.
  std::size_t bytes() const { return bytes_; }

  // The choice as JSON. Called once.
  std::string End(FinishReason reason);

 private:
  struct NamedList {
    std::string name;
    std::string items;  // JSON, separated by commas
  };

  const bool chat_;
  const int index_;
  const TokenTextFn token_text_;
  chat::AnswerParts text_;
  std::vector<NamedList> logprobs_;
  std::size_t bytes_ = 0;
};

// Sums over the choices of an answer.
struct AnswerTotals {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t cached_prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  absl::Duration prefill;
  absl::Duration decode;
  SpeculationStats speculation;

  void Add(const OutputSummary& summary);
};

// The first chunk of a chat stream, which alone says the role.
std::string RoleChunk(const AnswerHead& head);
// Text of a stream, for the choice with this index: `parts` are those of delta.text. With
// log-probabilities if `logprobs`, and with the step's tree in "speculation" if the delta has a
// trace.
std::string DeltaChunk(const AnswerHead& head, int index, const chat::AnswerParts& parts,
                       const OutputDelta& delta, bool logprobs, const TokenTextFn& token_text);
// The last chunk of a choice.
std::string FinishChunk(const AnswerHead& head, int index, FinishReason reason);
// The chunk with the usage and without a choice.
std::string UsageChunk(const AnswerHead& head, const AnswerTotals& totals);

// A whole answer. `choices` are the results of WholeChoice::End.
std::string WholeAnswer(const AnswerHead& head, const std::vector<std::string>& choices,
                        const AnswerTotals& totals);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_HTTP_OPENAI_ANSWER_H_
