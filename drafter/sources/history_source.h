// Remembers which token most recently followed each token in this sequence.
#ifndef RECYCLING_DRAFTER_SOURCES_HISTORY_SOURCE_H_
#define RECYCLING_DRAFTER_SOURCES_HISTORY_SOURCE_H_

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "common/decoding/token_id.h"
#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

// How often a candidate has followed the token at the end of the path, in this sequence.
enum class FollowClass : std::uint8_t {
  // Classes of a token that is not named:
  kUnseen,      // no token has followed yet
  kOtherOnce,   // another token followed the last time
  kOtherOften,  // one other token followed at least the last two times
  // Classes of the token that is named:
  kOnce,   // it followed the last time
  kTwice,  // it followed the last two times
  kOften,  // it followed at least the last three times
};
inline constexpr std::size_t kFollowClasses = 6;

// True for the classes of the named token, which followed before.
constexpr bool Followed(FollowClass follow) { return follow >= FollowClass::kOnce; }

// Names the token that followed the last time. It learns from committed tokens: emitted tokens and
// pieces of the prompt. It takes about 24 bytes for each distinct token that it has seen.
class HistorySource final : public CandidateSource {
 public:
  DraftSource origin() const override { return DraftSource::kSequence; }
  std::size_t classes() const override { return kFollowClasses; }
  double Prior(std::uint8_t token_class) const override;
  void Candidates(const DraftPath& path, SourceAnswer* answer) const override;
  void Observe(const ObservedStep& step) override;

 private:
  struct Follower {
    TokenId token = 0;
    std::uint32_t times = 0;  // how often `token` followed in a row; counts only to 3
  };

  absl::flat_hash_map<TokenId, Follower> followers_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_HISTORY_SOURCE_H_
