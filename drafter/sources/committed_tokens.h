// The committed tokens of one sequence, as far as a drafter has been told.
#ifndef RECYCLING_DRAFTER_SOURCES_COMMITTED_TOKENS_H_
#define RECYCLING_DRAFTER_SOURCES_COMMITTED_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/decoding/token_id.h"

namespace recycling::drafter {

// Trim leaves at most so many, and at least half as many.
inline constexpr std::size_t kMaxCommittedTokens = 1 << 18;

// A run of tokens without a gap that ends with the last one known. Threads: calls one at a time.
class CommittedTokens {
 public:
  // `tokens`: all of the sequence, or its last kMaxCommittedTokens. Empty: not told.
  explicit CommittedTokens(std::vector<TokenId> tokens = {});

  std::span<const TokenId> tokens() const { return tokens_; }

  // True if the run ends with `token`.
  bool EndsWith(TokenId token) const { return !tokens_.empty() && tokens_.back() == token; }

  // The next token.
  void Append(TokenId token);

  // Tokens in between are not known: the run begins again with `token`.
  void Restart(TokenId token);

  // Takes the last `count` tokens off; there are more.
  void DropLast(std::size_t count);

  // Forgets the oldest tokens if there are more than kMaxCommittedTokens.
  void Trim();

  // The number of all committed tokens of the sequence, the last of which is the last of the run;
  // absent if it is not known.
  std::optional<std::uint64_t> base() const { return base_; }
  void set_base(std::uint64_t base) { base_ = base; }

 private:
  std::vector<TokenId> tokens_;
  std::optional<std::uint64_t> base_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_COMMITTED_TOKENS_H_
