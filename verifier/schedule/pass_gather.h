// Decides whether a pass waits a short time for sequences that were just answered. Reads no clock:
// callers say what time it is.
//
// A sequence asks for its next step one round trip after its answer. If a pass started as soon as
// one step waits, it would leave out the sequences whose steps are still on their way. The next
// pass would have those and leave out the others. The two groups would take turns, and the weights
// would be read once for each group. A pass that waits for the missing steps reads the weights once
// for all.
#ifndef RECYCLING_VERIFIER_SCHEDULE_PASS_GATHER_H_
#define RECYCLING_VERIFIER_SCHEDULE_PASS_GATHER_H_

#include <map>

#include "absl/time/time.h"

namespace recycling::verifier {

// Not thread-safe.
class PassGather {
 public:
  // Identifies a sequence; the pointer is never followed.
  using Id = const void*;

  // The longest wait, as a share of the duration of a pass of one row.
  static constexpr double kShare = 0.5;

  // A step of `id` was answered, and another one is expected.
  void Answered(Id id, absl::Duration now);
  // The expected step of `id` has arrived. Updates how long the sequence usually takes.
  void Arrived(Id id, absl::Duration now);
  // No more steps of `id` will come.
  void Left(Id id) { sequences_.erase(id); }

  // The number of sequences whose next step is expected soon: those that were answered no longer
  // ago than twice their usual time.
  int Expected(absl::Duration now) const;

  // When to start a pass that could have started at `ready`. It waits for all sequences whose steps
  // are due by `ready` + kShare x `plain`, where `plain` is the duration of a pass of one row.
  // Returns `ready` if no step is due by then.
  absl::Duration StartAt(absl::Duration ready, absl::Duration now, absl::Duration plain) const;

 private:
  // How long a sequence takes from an answer to its next step: a running mean. The newest time
  // weighs at least 1/8 and counts as at most four times the mean.
  struct Mean {
    absl::Duration value;
    int count = 0;  // of times, up to 8

    void Add(absl::Duration took);
  };
  struct Sequence {
    bool away = false;  // answered, and the next step has not arrived
    absl::Duration answered;
    Mean mean;
  };
  // The sequence's mean, or that of all sequences if it has none; zero if both are unknown.
  absl::Duration Usual(const Sequence& sequence) const;

  std::map<Id, Sequence> sequences_;
  Mean mean_;  // of all sequences
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PASS_GATHER_H_
