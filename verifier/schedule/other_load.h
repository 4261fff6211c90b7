// Measures the work for other sequences, in the passes of one sequence and between them. The caller
// gives the times.
#ifndef RECYCLING_VERIFIER_SCHEDULE_OTHER_LOAD_H_
#define RECYCLING_VERIFIER_SCHEDULE_OTHER_LOAD_H_

#include "absl/time/time.h"
#include "verifier/schedule/sequence_types.h"

namespace recycling::verifier {

// The work of the steps of one or more passes. Rows of prompts and their time do not count.
struct StepWork {
  int rows = 0;
  double tokens = 0;  // emitted by the steps
  absl::Duration took;

  void Add(const StepWork& other) {
    rows += other.rows;
    tokens += other.tokens;
    took += other.took;
  }
};

// Running means for one sequence. The newest pass has a weight of at least 1/8, so that the means
// follow within a few steps when other sequences come or go. Not thread-safe.
class OtherLoadMean {
 public:
  // Adds `pass`, in which the sequence had `rows` rows and emitted `tokens` tokens. `all` is the
  // sum of all passes of the verifier, up to and including this one.
  void Add(const StepWork& pass, int rows, double tokens, const StepWork& all);

  const OtherLoad& value() const { return mean_; }

 private:
  OtherLoad mean_;
  int passes_ = 0;  // number of passes added, at most 8
  double tokens_before_ = 0;
  absl::Duration took_before_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_OTHER_LOAD_H_
