// Decides which verified tokens become output. Tokens are taken one by one. The first token that
// ends the output is the last one taken, wherever it stands in an accepted path. Text, ids,
// logprobs and counts are cut at the same place (rule 4 of text_stream.h).
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
#include "gateway/loop/text_stream.h"

namespace recycling::gateway {

enum class FinishReason { kEos, kStopString, kStopToken, kLength };
inline constexpr int kFinishReasons = 4;

// Why the output ended.
struct Finish {
  FinishReason reason = FinishReason::kLength;
  std::string matched_stop;              // kStopString
  std::optional<TokenId> matched_token;  // kEos, kStopToken

  bool operator==(const Finish&) const = default;
};

// A piece of the output. If a token ends inside a character, its id is here before its text.
struct OutputDelta {
  std::string text;
  std::vector<TokenId> tokens;
  std::vector<TokenLogprob> logprobs;  // as many as tokens, or none

  bool empty() const { return text.empty() && tokens.empty(); }
  bool operator==(const OutputDelta&) const = default;
};

struct EmissionRules {
  std::uint32_t max_tokens = 1;         // at least 1
  std::vector<TokenId> eos_token_ids;   // empty: end of sequence is ignored
  std::vector<TokenId> stop_token_ids;  // a token that is also in eos_token_ids ends as kEos
  std::vector<std::string> stop;        // none empty, valid UTF-8
};

// Bytes a token adds to the running text.
using TokenBytesFn = std::function<std::string(TokenId)>;

// Threads: one.
class Emission {
 public:
  Emission(EmissionRules rules, TokenBytesFn token_bytes);

  // Takes the tokens of one step, until the output ends. Returns what can be shown now.
  // `logprobs`: as many as tokens, or none. Requires !finish().
  OutputDelta Add(std::span<const TokenId> tokens, std::span<const TokenLogprob> logprobs);

  // Set once the output has ended.
  const std::optional<Finish>& finish() const { return finish_; }

  // Tokens taken, also those that a stop string may still cut off.
  std::uint32_t taken() const { return taken_; }

  // Tokens that may still be taken: max_tokens - taken().
  std::uint32_t allowed() const { return rules_.max_tokens - taken_; }

  // Tokens shown so far; once finished, the tokens of the output.
  std::uint32_t shown() const { return shown_; }

 private:
  // The text that can be shown with this token; sets finish_ if the token ends the output.
  std::string Take(TokenId token);

  const EmissionRules rules_;
  const TokenBytesFn token_bytes_;
  TextStream text_;
  std::uint32_t taken_ = 0;
  std::uint32_t shown_ = 0;
  OutputDelta held_;  // tokens taken and not shown, and their logprobs
  std::optional<Finish> finish_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_EMISSION_H_
