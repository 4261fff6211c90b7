#include "drafter/sources/history_source.h"

#include <algorithm>

namespace recycling::drafter {

double HistorySource::Prior(std::uint8_t token_class) const {
  switch (static_cast<FollowClass>(token_class)) {
    case FollowClass::kUnseen:
    case FollowClass::kOtherOnce:
    case FollowClass::kOtherOften:
      return 0.0001;
    case FollowClass::kOnce:
      return 0.2;
    case FollowClass::kTwice:
      return 0.4;
    case FollowClass::kOften:
      break;
  }
  return 0.7;
}

void HistorySource::Candidates(const DraftPath& path, SourceAnswer* answer) const {
  const auto found = followers_.find(path.last());
  if (found == followers_.end()) {
    answer->other_class = static_cast<std::uint8_t>(FollowClass::kUnseen);
    return;
  }
  const auto& [token, times] = found->second;
  answer->other_class =
      static_cast<std::uint8_t>(times == 1 ? FollowClass::kOtherOnce : FollowClass::kOtherOften);
  answer->Name(token, static_cast<std::uint8_t>(times == 1   ? FollowClass::kOnce
                                                : times == 2 ? FollowClass::kTwice
                                                             : FollowClass::kOften));
}

void HistorySource::Observe(const ObservedStep& step) {
  const std::size_t size = step.committed.size();
  for (std::size_t i = std::max<std::size_t>(size - step.fresh, 1); i < size; ++i) {
    const TokenId next = step.committed[i];
    Follower& follower = followers_[step.committed[i - 1]];
    const bool again = follower.times > 0 && follower.token == next;
    follower = {.token = next, .times = again ? std::min(follower.times + 1, 3u) : 1};
  }
}

}  // namespace recycling::drafter
