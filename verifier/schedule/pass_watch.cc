#include "verifier/schedule/pass_watch.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace recycling::verifier {

void PassWatch::Began(absl::Duration now, absl::Duration full) {
  MutexLock lock(mutex_);
  began_ = now;
  full_ = full;
}

void PassWatch::Next(absl::Duration now) {
  MutexLock lock(mutex_);
  longest_ = std::max(longest_, now - *began_);
  began_ = now;
}

void PassWatch::Ended(absl::Duration now) {
  MutexLock lock(mutex_);
  longest_ = std::max(longest_, now - *began_);
  began_.reset();
}

absl::Status PassWatch::Check(absl::Duration now) const {
  MutexLock lock(mutex_);
  if (!began_.has_value()) return absl::OkStatus();
  const absl::Duration most =
      std::max({kLeast, kTimes * full_, kTimesLongest * std::min(longest_, kMostLearnt)});
  const absl::Duration took = now - *began_;
  if (took <= most) return absl::OkStatus();
  const auto text = [](absl::Duration time) {
    return absl::FormatDuration(absl::Trunc(time, absl::Milliseconds(100)));
  };
  return absl::UnavailableError(
      absl::StrCat("no pass has ended for ", text(took), ", expected at most ", text(most)));
}

}  // namespace recycling::verifier
