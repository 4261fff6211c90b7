#ifndef RECYCLING_GATEWAY_FLEET_ANSWER_BOUND_H_
#define RECYCLING_GATEWAY_FLEET_ANSWER_BOUND_H_

#include <cstdint>

#include "absl/time/time.h"

namespace recycling::gateway {

// How long an answer of one verifier may take before a sequence gives the verifier up:
//
//   bound = max(kLeast, kTimes F, kTimesLongest min(E, kMostLearnt)) + kSlack (own + others) F / r
//
//   F       what the largest pass takes that the verifier has told a cost of; r: rows of that pass
//   E       by how much the latest answer so far came later than the last term explains
//   own     rows that the call asks for: the tokens of a prompt, or the root and nodes of a tree
//   others  rows that the verifier may have to compute for others first
//
// The first term is the rule by which a verifier finds out that one of its passes hangs
// (verifier/schedule/pass_watch.h). The last term is the measured cost of the rows. kSlack is there
// because prompts share passes with the steps of others, which leave them at least half of the
// time, and because far into a long context a row costs more than was measured. Until the verifier
// has told a cost, F is 0 and a row counts as kUnmeasuredRow. Threads: one.
class AnswerBound {
 public:
  static constexpr absl::Duration kLeast = absl::Seconds(30);
  static constexpr int kTimes = 20;
  static constexpr int kTimesLongest = 3;
  static constexpr absl::Duration kMostLearnt = absl::Minutes(5);
  static constexpr int kSlack = 4;
  static constexpr absl::Duration kUnmeasuredRow = absl::Milliseconds(100);

  // The verifier has told what a pass of `rows` rows takes, which counts as at most kMostLearnt. A
  // pass of 0 rows is ignored.
  void SetFullPass(std::uint32_t rows, absl::Duration takes);

  // A call for `own` rows, behind `others`, was answered after `waited`.
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
