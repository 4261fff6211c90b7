#include "drafter/sources/committed_tokens.h"

#include <utility>

namespace recycling::drafter {

// The base stays unknown, because `tokens` may be only the last part of the sequence.
CommittedTokens::CommittedTokens(std::vector<TokenId> tokens) : tokens_(std::move(tokens)) {}

void CommittedTokens::Append(TokenId token) {
  tokens_.push_back(token);
  if (base_.has_value()) ++*base_;
}

void CommittedTokens::Restart(TokenId token) {
  tokens_.assign(1, token);
  base_.reset();
}

void CommittedTokens::DropLast(std::size_t count) {
  tokens_.resize(tokens_.size() - count);
  if (base_.has_value()) *base_ -= count;
}

void CommittedTokens::Trim() {
  if (tokens_.size() <= kMaxCommittedTokens) return;
  tokens_.erase(tokens_.begin(), tokens_.end() - kMaxCommittedTokens / 2);
}

}  // namespace recycling::drafter
