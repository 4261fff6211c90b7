// Measures what a sequence's passes do for other sequences. Reads no clock.
#ifndef RECYCLING_VERIFIER_SCHEDULE_OTHER_LOAD_H_
#define RECYCLING_VERIFIER_SCHEDULE_OTHER_LOAD_H_

#include "absl/time/time.h"
#include "verifier/schedule/sequence_types.h"

namespace recycling::verifier {

// What the steps of one or more passes did. Rows of prompts and their time do not count.
struct StepWork {
  int rows = 0;
  double tokens = 0;  // emitted
  absl::Duration took;

  void Add(const StepWork& other) {
    rows += other.rows;
    tokens += other.tokens;
    took += other.took;
  }
};

// Running means of one sequence. The newest pass weighs at least 1/8, so that the means change
// within a few steps when other sequences come or go. Not thread-safe.
class OtherLoadMean {
 public:
  // Adds a pass in which the sequence had `rows` rows and emitted `tokens` tokens. `all` is the sum
  // of all passes of the verifier up to this one, this one included.
  void Add(const StepWork& pass, int rows, double tokens, const StepWork& all);

  const OtherLoad& value() const { return mean_; }

 private:
  OtherLoad mean_;
  int passes_ = 0;  // counted to 8
  double tokens_before_ = 0;
  absl::Duration took_before_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_OTHER_LOAD_H_
