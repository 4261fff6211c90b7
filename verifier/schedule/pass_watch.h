// Decides whether the running pass hangs.
//
// A pass hangs, for example, if its weights are on a disk that no longer answers. Everything else
// of the verifier goes on: it accepts calls and answers handshakes. So a client could wait for
// ever.
#ifndef RECYCLING_VERIFIER_SCHEDULE_PASS_WATCH_H_
#define RECYCLING_VERIFIER_SCHEDULE_PASS_WATCH_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling::verifier {

// A pass may take the longest of
//  1. kLeast,
//  2. kTimes times what a full pass is expected to take,
//  3. kTimesLongest times the longest pass before, which counts as at most kMostLearnt. Passes far
//     into a long context take longer than the measured costs say, but they get longer step by
//     step.
// Times are Clock::Monotonic(). Call order: (Began Next* Ended)*. Threads: Check on any thread at
// any time, the others one at a time.
class PassWatch {
 public:
  static constexpr absl::Duration kLeast = absl::Seconds(30);
  static constexpr int kTimes = 20;
  static constexpr int kTimesLongest = 3;
  static constexpr absl::Duration kMostLearnt = absl::Minutes(5);

  // A pass begins. A pass of full size is expected to take `full`; zero: not known.
  void Began(absl::Duration now, absl::Duration full);
  // The pass has ended, and another one of the same operations begins.
  void Next(absl::Duration now);
  // The pass has ended, and no other one begins yet.
  void Ended(absl::Duration now);

  // Unavailable if the pass that runs has taken longer than it may.
  absl::Status Check(absl::Duration now) const;

 private:
  mutable Mutex mutex_;
  std::optional<absl::Duration> began_ ABSL_GUARDED_BY(mutex_);  // absent: no pass runs
  absl::Duration full_ ABSL_GUARDED_BY(mutex_);
  absl::Duration longest_ ABSL_GUARDED_BY(mutex_);  // of those that have ended
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PASS_WATCH_H_
