// The committed tokens of one sequence, as far as the drafter knows them.
#ifndef RECYCLING_DRAFTER_SOURCES_COMMITTED_TOKENS_H_
#define RECYCLING_DRAFTER_SOURCES_COMMITTED_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/decoding/token_id.h"

namespace recycling::drafter {

// CommittedTokens::Trim keeps at most this many tokens.
inline constexpr std::size_t kMaxCommittedTokens = 1 << 18;

// Consecutive committed tokens, up to the last known one. Threads: the caller makes one call at a
// time.
class CommittedTokens {
 public:
  // `tokens`: all committed tokens of the sequence, or the last kMaxCommittedTokens of them. Empty
  // if the gateway sent none.
  explicit CommittedTokens(std::vector<TokenId> tokens = {});

  std::span<const TokenId> tokens() const { return tokens_; }

  // True if the last known token is `token`.
  bool EndsWith(TokenId token) const { return !tokens_.empty() && tokens_.back() == token; }

  // Adds the token after the last one.
  void Append(TokenId token);

  // Forgets all tokens and begins again with `token`, because the tokens before it are not known.
  void Restart(TokenId token);

  // Removes the last `count` tokens. Requires more than `count` tokens.
  void DropLast(std::size_t count);

  // If there are more than kMaxCommittedTokens tokens, forgets all but the last
  // kMaxCommittedTokens / 2.
  void Trim();

  // The number of all committed tokens of the sequence up to the last known one. Absent if it is
  // not known.
  std::optional<std::uint64_t> base() const { return base_; }
  void set_base(std::uint64_t base) { base_ = base; }

 private:
  std::vector<TokenId> tokens_;
  std::optional<std::uint64_t> base_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_COMMITTED_TOKENS_H_
