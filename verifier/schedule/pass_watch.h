// Decides whether the running pass hangs.
//
// A pass hangs, for example, if its weights are on a disk that no longer answers. The rest of the
// verifier then continues to work: it accepts calls and answers handshakes. So a client could wait
// forever.
#ifndef RECYCLING_VERIFIER_SCHEDULE_PASS_WATCH_H_
#define RECYCLING_VERIFIER_SCHEDULE_PASS_WATCH_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling::verifier {

// A pass may take the longest of these times:
// 1. kLeast,
// 2. kTimes times the expected time of a full pass,
// 3. kTimesLongest times the longest pass before; this longest pass is limited to kMostLearnt.
//    Passes far into a long context take longer than the measured times, but their time grows only
//    step by step.
// Times are Clock::Monotonic(). Call order: (Began Next* Ended)*. Threads: any thread may call
// Check at any time. Only one thread at a time may call the other methods.
class PassWatch {
 public:
  static constexpr absl::Duration kLeast = absl::Seconds(30);
  static constexpr int kTimes = 20;
  static constexpr int kTimesLongest = 3;
  static constexpr absl::Duration kMostLearnt = absl::Minutes(5);

  // A pass begins. `full` is the expected time of a pass of full size; zero if it is not known.
  void Began(absl::Duration now, absl::Duration full);
  // The pass has ended. Another pass for some of the same operations begins.
  void Next(absl::Duration now);
  // The pass has ended. No other pass begins yet.
  void Ended(absl::Duration now);

  // Returns Unavailable if the running pass takes longer than it may.
  absl::Status Check(absl::Duration now) const;

 private:
  mutable Mutex mutex_;
  std::optional<absl::Duration> began_ ABSL_GUARDED_BY(mutex_);  // absent: no pass runs
  absl::Duration full_ ABSL_GUARDED_BY(mutex_);
  absl::Duration longest_ ABSL_GUARDED_BY(mutex_);  // longest pass that has ended
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PASS_WATCH_H_
