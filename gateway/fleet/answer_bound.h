#ifndef RECYCLING_GATEWAY_FLEET_ANSWER_BOUND_H_
#define RECYCLING_GATEWAY_FLEET_ANSWER_BOUND_H_

#include <cstdint>

#include "absl/time/time.h"

namespace recycling::gateway {

// How long an answer of one verifier may take before a sequence gives the verifier up:
//
//   bound = max(kLeast, kTimes F, kTimesLongest min(E, kMostLearnt)) + kSlack (own + others) F / r
//
//   F       duration of the largest pass whose cost the verifier has reported
//   r       rows of that pass
//   E       largest difference so far between the wait for an answer and the last term for this
//           answer; at least 0
//   own     rows that the call asks for: the tokens of a prompt, or the root and nodes of a tree
//   others  rows of other calls that the verifier may compute first
//
// A verifier uses the same first term to find out that one of its passes hangs
// (verifier/schedule/pass_watch.h). The last term is the measured cost of the rows. kSlack allows
// for two things: a prompt shares passes with steps of other sequences, which may take up to half
// of the time; and a row far into a long context costs more than a measured one. Until the verifier
// has reported a cost, F is 0 and F / r is kUnmeasuredRow. Threads: one.
class AnswerBound {
 public:
  static constexpr absl::Duration kLeast = absl::Seconds(30);
  static constexpr int kTimes = 20;
  static constexpr int kTimesLongest = 3;
  static constexpr absl::Duration kMostLearnt = absl::Minutes(5);
  static constexpr int kSlack = 4;
  static constexpr absl::Duration kUnmeasuredRow = absl::Milliseconds(100);

  // The caller reports that a pass of `rows` rows takes `takes`, by the verifier's own account.
  // More than kMostLearnt counts as kMostLearnt. A pass of 0 rows is ignored.
  void SetFullPass(std::uint32_t rows, absl::Duration takes);

  // The caller reports that a call for `own` rows, behind `others` rows, was answered after
  // `waited`.
  void Answered(std::uint64_t own, std::uint64_t others, absl::Duration waited);

  absl::Duration Get(std::uint64_t own, std::uint64_t others) const;

 private:
  absl::Duration OfRows(std::uint64_t rows) const;  // the last term

  absl::Duration full_pass_;             // F
  absl::Duration row_ = kUnmeasuredRow;  // F / r
  absl::Duration longest_excess_;        // E
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_ANSWER_BOUND_H_
