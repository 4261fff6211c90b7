// What followed each token the last time in this sequence.
#ifndef RECYCLING_DRAFTER_SOURCES_HISTORY_SOURCE_H_
#define RECYCLING_DRAFTER_SOURCES_HISTORY_SOURCE_H_

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "common/decoding/token_id.h"
#include "drafter/sources/candidate_source.h"

namespace recycling::drafter {

// What the sequence's past says of a token as the follower of another one.
enum class FollowClass : std::uint8_t {
  // Of a token that is not named:
  kUnseen,      // nothing has followed yet
  kOtherOnce,   // something else followed the last time
  kOtherOften,  // something else followed at least the last two times, the same each time
  // Of the token that is named:
  kOnce,   // it followed the last time
  kTwice,  // it followed the last two times
  kOften,  // it followed at least the last three times
};
inline constexpr std::size_t kFollowClasses = 6;

// True if a token of this class is the one that followed.
constexpr bool Followed(FollowClass follow) { return follow >= FollowClass::kOnce; }

// Names the token that followed the last time. It learns from tokens that became certain: what was
// emitted, and pieces of the prompt. It takes at most some 24 bytes for each token of the
// vocabulary that the sequence has emitted.
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
    std::uint32_t times = 0;  // in a row, at most 3
  };

  absl::flat_hash_map<TokenId, Follower> followers_;
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SOURCES_HISTORY_SOURCE_H_
