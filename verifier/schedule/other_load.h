// What a sequence's passes do for other sequences, from one of its passes to the next. Pure.
#ifndef RECYCLING_VERIFIER_SCHEDULE_OTHER_LOAD_H_
#define RECYCLING_VERIFIER_SCHEDULE_OTHER_LOAD_H_

#include "absl/time/time.h"
#include "verifier/schedule/sequence_types.h"

namespace recycling::verifier {

// What the steps of passes did. Prompts in a pass count neither in rows nor in time.
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

// Running means of one sequence, in which a pass weighs at least 1/8, so that they follow within a
// few steps who comes and goes. Not thread-safe.
class OtherLoadMean {
 public:
  // The sequence was in `pass` with `rows` rows and was given `tokens` tokens; `all` are all passes
  // up to this one.
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
