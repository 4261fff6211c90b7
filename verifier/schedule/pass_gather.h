// Whether a pass waits a moment for sequences that were just answered. Pure: time is what it is
// told.
//
// A sequence asks for its next step a round trip after its answer. A pass that starts the moment
// anyone is there leaves out those on their way, and so does the next one the other way round: two
// groups take turns and the weights are read for each. Who waits until the others are back, which
// is soon, reads them once for all.
#ifndef RECYCLING_VERIFIER_SCHEDULE_PASS_GATHER_H_
#define RECYCLING_VERIFIER_SCHEDULE_PASS_GATHER_H_

#include <map>

#include "absl/time/time.h"

namespace recycling::verifier {

// Not thread-safe.
class PassGather {
 public:
  // Names a sequence; nothing is read through it.
  using Id = const void*;

  // The longest wait, as a share of what a pass of one row takes.
  static constexpr double kShare = 0.5;

  // A step of `id` was answered, and another one is to be expected.
  void Answered(Id id, absl::Duration now);
  // That step has come; how long it took is learnt.
  void Arrived(Id id, absl::Duration now);
  // No more steps of it will come.
  void Left(Id id) { sequences_.erase(id); }

  // Sequences that are to be back soon: answered at most twice their usual time ago.
  int Expected(absl::Duration now) const;

  // When a pass should start that could have started at `ready`: when the last of those is to be
  // there that can be expected until `ready` + kShare x `plain`, the duration of a pass of one row.
  // `ready` if there is nobody.
  absl::Duration StartAt(absl::Duration ready, absl::Duration now, absl::Duration plain) const;

 private:
  // How long a sequence takes to come back: a running mean in which a time weighs at least 1/8 and
  // counts as at most four times the mean.
  struct Mean {
    absl::Duration value;
    int count = 0;  // to 8

    void Add(absl::Duration took);
  };
  struct Sequence {
    bool away = false;
    absl::Duration answered;
    Mean mean;
  };
  // Zero until known.
  absl::Duration Usual(const Sequence& sequence) const;

  std::map<Id, Sequence> sequences_;
  Mean mean_;  // of all, for those that are new
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PASS_GATHER_H_
