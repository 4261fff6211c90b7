// Looks for earlier places of the sequence, prompt included, that continue like its end.
#ifndef RECYCLING_DRAFTER_SOURCES_HISTORY_SOURCE_H_
#define RECYCLING_DRAFTER_SOURCES_HISTORY_SOURCE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/decoding/token_id.h"
#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

// A match is an earlier place whose last tokens are equal to the last tokens of the path. Its
// follower is the token after it. The length of a match is the number of equal tokens, counted to
// kLongestMatch.
inline constexpr std::size_t kLongestMatch = 33;

inline constexpr std::size_t kHistoryTokens = 1 << 16;

// Match lengths 1, 2, 3, 4, 5-6, 7-9, 10-15, 16-31, 32 and more.
inline constexpr std::size_t kMatchLengths = 9;
constexpr std::size_t MatchLengthIndex(std::size_t length) {
  constexpr std::array<std::size_t, kMatchLengths - 1> kAbove = {1, 2, 3, 4, 6, 9, 15, 31};
  std::size_t index = 0;
  while (index < kAbove.size() && length > kAbove[index]) ++index;
  return index;
}

// The classes. `length` is the length of the longest match, at least 1.
// No match: the token at the end of the path has not occurred before.
inline constexpr std::uint8_t kNoMatchClass = 0;
// Another token followed the longest match.
constexpr std::uint8_t OtherFollowedClass(std::size_t length) {
  return static_cast<std::uint8_t>(1 + MatchLengthIndex(length));
}
// This token followed the longest match. `repeated`: it also followed the match before that one.
constexpr std::uint8_t FollowedClass(std::size_t length, bool repeated) {
  return static_cast<std::uint8_t>(1 + kMatchLengths + 2 * MatchLengthIndex(length) +
                                   (repeated ? 1 : 0));
}
// This token followed a shorter match, of `order` tokens, 1 to 3.
constexpr std::uint8_t ShorterFollowedClass(std::size_t order) {
  return static_cast<std::uint8_t>(3 * kMatchLengths + order);
}
inline constexpr std::size_t kHistoryClasses = 3 * kMatchLengths + 4;

// For the last one, two and three tokens of a path, the source knows the last place where they
// occurred, and the last place before that with another follower. It follows one match token by
// token, so it also knows longer matches. It learns from committed tokens only. It knows the last
// kHistoryTokens / 2 of them at least and kHistoryTokens at most, and takes about 100 bytes for
// each.
class HistorySource final : public CandidateSource {
 public:
  DraftSource origin() const override { return DraftSource::kSequence; }
  std::size_t classes() const override { return kHistoryClasses; }
  double Prior(std::uint8_t token_class) const override;
  // Names the followers of the matches, the longest match first, and then the second followers.
  void Candidates(const DraftPath& path, SourceAnswer* answer) const override;
  void Observe(const ObservedStep& step) override;

 private:
  static constexpr std::size_t kOrders = 3;
  static constexpr std::uint32_t kNowhere = 0xffffffff;
  static constexpr TokenId kGap = 0xffffffff;  // no id of a token

  // What followed some tokens. Positions are indices in tokens_.
  struct Follower {
    std::uint32_t position = kNowhere;  // of the last follower
    std::uint32_t second = kNowhere;    // of the last follower that is another token
    std::uint32_t times = 0;            // how often the last follower came in a row; counts to 2
  };
  struct Match {
    std::size_t next = 0;    // position of its follower
    std::size_t length = 0;  // 0: no match
  };

  // The last `order` tokens of a path as a key.
  static std::uint64_t KeyOf(const DraftPath& path, std::size_t order);
  // Null if the tokens have not occurred.
  const Follower* Find(const DraftPath& path, std::size_t order) const;
  // The last place of the last three, two or one tokens of the path.
  Match Look(const DraftPath& path) const;
  // The match at the end of the path. Its drafted tokens begin with the last committed token.
  Match MatchOf(const DraftPath& path) const;

  void Append(TokenId token);
  // Follows the match by the token that Append has added, or looks for another one.
  void Advance();
  // Adds a gap and begins a new run of tokens, because tokens before them are not known.
  void BeginRun();
  // Forgets the older half of the tokens.
  void Shorten();

  std::vector<TokenId> tokens_;  // the known tokens, and kGap before each run but the first
  std::size_t run_ = 0;          // where the last run of tokens without a gap begins
  Match match_;                  // at the end of tokens_
  std::array<absl::flat_hash_map<std::uint64_t, Follower>, kOrders> followers_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_HISTORY_SOURCE_H_
