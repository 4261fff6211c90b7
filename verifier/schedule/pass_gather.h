// Decides whether a pass waits a short time for sequences that were just answered. Callers give the
// current time.
//
// A client sends the next step of a sequence one round trip after the answer. Suppose that a pass
// started as soon as one step waits. Then it would leave out the sequences whose steps are still on
// their way; the next pass would run these and leave out the others. Two groups of sequences would
// take turns, and each group would read all weights. A pass that waits for the missing steps reads
// the weights once for all sequences.
#ifndef RECYCLING_VERIFIER_SCHEDULE_PASS_GATHER_H_
#define RECYCLING_VERIFIER_SCHEDULE_PASS_GATHER_H_

#include <map>

#include "absl/time/time.h"

namespace recycling::verifier {

// Not thread-safe.
class PassGather {
 public:
  // Identifies a sequence. PassGather never dereferences the pointer.
  using Id = const void*;

  // The longest wait, as a share of the duration of a pass of one row.
  static constexpr double kShare = 0.5;

  // A step of `id` was answered, and another one is expected.
  void Answered(Id id, absl::Duration now);
  // The expected step of `id` has arrived. Updates the usual time of the sequence, the mean time
  // from an answer to the next step.
  void Arrived(Id id, absl::Duration now);
  // No more steps of `id` will come.
  void Left(Id id) { sequences_.erase(id); }

  // The number of sequences whose next step is expected soon. Their last step was answered, their
  // next step has not arrived, and at most twice their usual time has passed since the answer.
  int Expected(absl::Duration now) const;

  // Returns when to start a pass that could have started at `ready`. The pass waits for all
  // sequences whose steps are due by `ready` + kShare * `plain`, where `plain` is the duration of a
  // pass of one row. Returns `ready` if no step is due by then.
  absl::Duration StartAt(absl::Duration ready, absl::Duration now, absl::Duration plain) const;

 private:
  // A running mean of the time from an answer to the next step. The newest time has a weight of at
  // least 1/8, and it is limited to four times the mean.
  struct Mean {
    absl::Duration value;
    int count = 0;  // number of times added, at most 8

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
