#include "gateway/loop/emission.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace recycling::gateway {
namespace {

bool Contains(const std::vector<TokenId>& ids, TokenId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// Moves the first `count` elements of `from` to the end of `to`.
template <typename T>
void MoveFront(std::vector<T>* from, std::size_t count, std::vector<T>* to) {
  const auto end = from->begin() + static_cast<std::ptrdiff_t>(std::min(count, from->size()));
  to->insert(to->end(), std::make_move_iterator(from->begin()), std::make_move_iterator(end));
  from->erase(from->begin(), end);
}

}  // namespace

Emission::Emission(EmissionRules rules, TokenBytesFn token_bytes)
    : rules_(std::move(rules)), token_bytes_(std::move(token_bytes)), text_(rules_.stop) {}

std::string Emission::Take(TokenId token) {
  ++taken_;
  const bool eos = Contains(rules_.eos_token_ids, token);
  if (eos || Contains(rules_.stop_token_ids, token)) {
    finish_ = Finish{.reason = eos ? FinishReason::kEos : FinishReason::kStopToken,
                     .matched_stop = "",
                     .matched_token = token};
    text_.Add("");
    return text_.Finish();
  }
  std::string text = text_.Add(token_bytes_(token));
  if (text_.match().has_value()) {
    finish_ = Finish{.reason = FinishReason::kStopString,
                     .matched_stop = rules_.stop[*text_.match()],
                     .matched_token = std::nullopt};
  } else if (taken_ >= rules_.max_tokens) {
    finish_ = Finish{};
    text += text_.Finish();
  }
  return text;
}

OutputDelta Emission::Add(std::span<const TokenId> tokens, std::span<const TokenLogprob> logprobs) {
  OutputDelta delta;
  for (std::size_t i = 0; i < tokens.size() && !finish_.has_value(); ++i) {
    delta.text += Take(tokens[i]);
    held_.tokens.push_back(tokens[i]);
    if (i < logprobs.size()) held_.logprobs.push_back(logprobs[i]);
  }
  const std::size_t settled = text_.settled_tokens() - shown_;
  MoveFront(&held_.tokens, settled, &delta.tokens);
  MoveFront(&held_.logprobs, settled, &delta.logprobs);
  shown_ += static_cast<std::uint32_t>(settled);
  return delta;
}

}  // namespace recycling::gateway
