// Decides which verified tokens become output. Emission takes tokens one by one, up to the first
// token that ends the output. This token may stand anywhere in an accepted path. Text, ids,
// logprobs and counts all end with the same token (rule 4 of text_stream.h).
#ifndef RECYCLING_GATEWAY_LOOP_EMISSION_H_
#define RECYCLING_GATEWAY_LOOP_EMISSION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/decoding/sampling_options.h"
#include "common/decoding/token_id.h"
#include "gateway/loop/step_trace.h"
#include "gateway/loop/text_stream.h"

namespace recycling::gateway {

enum class FinishReason { kEos, kStopString, kStopToken, kLength };
inline constexpr int kFinishReasons = 4;

// Why the output ended.
struct Finish {
  FinishReason reason = FinishReason::kLength;
  std::string matched_stop;              // the stop string, for kStopString
  std::optional<TokenId> matched_token;  // the token, for kEos and kStopToken

  bool operator==(const Finish&) const = default;
};

// A piece of the output. If a token ends inside a character, its id may come in an earlier delta
// than its text.
struct OutputDelta {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<TokenLogprob> logprobs;  // as many as tokens, or none
  // The step whose tokens came last, if the request asked for traces. Emission leaves it empty.
  std::optional<StepTrace> trace;

  bool empty() const { return text.empty() && tokens.empty() && !trace.has_value(); }
  bool operator==(const OutputDelta&) const = default;
};

struct EmissionRules {
  std::uint32_t max_tokens = 1;         // at least 1
  std::vector<TokenId> eos_token_ids;   // empty: end-of-sequence tokens do not end the output
  std::vector<TokenId> stop_token_ids;  // a token that is also in eos_token_ids gives kEos
  std::vector<std::string> stop;        // no empty string; valid UTF-8
};

// Returns the bytes that a token adds to the text.
using TokenBytesFn = std::function<std::string(TokenId)>;

// Threads: one.
class Emission {
 public:
  Emission(EmissionRules rules, TokenBytesFn token_bytes);

  // Takes the tokens of one step, until the output ends. Returns what can be shown now.
  // `logprobs`: as many as tokens, or none. Requires !finish().
  OutputDelta Add(std::span<const TokenId> tokens, std::span<const TokenLogprob> logprobs);

  // Absent until the output has ended.
  const std::optional<Finish>& finish() const { return finish_; }

  // The number of taken tokens, including tokens that a stop string may still cut off.
  std::uint32_t taken() const { return taken_; }

  // The number of tokens that may still be taken: max_tokens - taken().
  std::uint32_t allowed() const { return rules_.max_tokens - taken_; }

  // The number of tokens shown so far. After the end, it is the number of tokens of the output.
  std::uint32_t shown() const { return shown_; }

 private:
  // Takes one token and returns the text that can be shown now. Sets finish_ if the token ends the
  // output.
  std::string Take(TokenId token);

  const EmissionRules rules_;
  const TokenBytesFn token_bytes_;
  TextStream text_;
  std::uint32_t taken_ = 0;
  std::uint32_t shown_ = 0;
  OutputDelta held_;  // taken tokens that are not shown yet, with their logprobs
  std::optional<Finish> finish_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_EMISSION_H_
