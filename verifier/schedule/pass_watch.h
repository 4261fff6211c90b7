// Whether the pass that runs takes so long that it will hardly end.
//
// A pass that hangs (weights on a disk that stalls, a thread that is stuck in the kernel) leaves
// everything else of the verifier as lively as ever: calls are taken, and handshakes answered.
#ifndef RECYCLING_VERIFIER_SCHEDULE_PASS_WATCH_H_
#define RECYCLING_VERIFIER_SCHEDULE_PASS_WATCH_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling::verifier {

// A pass may take the longest of
//  1. kLeast,
//  2. kTimes what a full pass is expected to take,
//  3. kTimesLongest what one has taken before, which counts as at most kMostLearnt: far into a long
//     context passes honestly take more than row costs say, and get there little by little.
// Times are Clock::Monotonic(). Call order: (Began Next* Ended)*. Threads: Check on any thread at
// any time, the others one at a time.
class PassWatch {
 public:
  static constexpr absl::Duration kLeast = absl::Seconds(30);
  static constexpr int kTimes = 20;
  static constexpr int kTimesLongest = 3;
  static constexpr absl::Duration kMostLearnt = absl::Minutes(5);

  // A pass begins; one of full size is expected to take `full`, zero if that is not known.
  void Began(absl::Duration now, absl::Duration full);
  // That pass has ended and another one like it begins.
  void Next(absl::Duration now);
  // The pass has ended, and none follows yet.
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
