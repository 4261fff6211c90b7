// What goes into the next pass. Pure.
#ifndef RECYCLING_VERIFIER_SCHEDULE_PASS_PLAN_H_
#define RECYCLING_VERIFIER_SCHEDULE_PASS_PLAN_H_

#include <span>
#include <string_view>
#include <vector>

#include "verifier/schedule/pass_costs.h"

namespace recycling::verifier {

// An operation that waits.
struct PassJob {
  std::string_view tenant;
  bool prefill = false;
  int rows = 1;  // at least 1; of a step: root and draft nodes; of a prefill: all that is left
};

struct PassLimits {
  int max_rows = 1;       // of a pass, at least 1
  int prefill_chunk = 1;  // prefill rows of a pass, at least 1
  int steps_soon = 0;     // steps that do not wait yet and soon will
};

// While steps wait, the prefill rows of a pass may make it longer by this share of what it takes
// without them; while steps soon will, a pass of prefills alone may take as long as theirs then.
inline constexpr double kPrefillShare = 1.0;
// The same before passes have been measured.
inline constexpr int kUnmeasuredPrefillRows = 16;

// How many rows of each job go into the next pass, 0: none. `jobs` are in order of arrival.
//  1. The root of every waiting step. Where prefills wait too, one row is theirs.
//  2. Draft rows: the first of each tree in breadth-first order, so that what is cut off is never
//     an ancestor of what is left. Where prefills wait, a fourth of the pass is theirs.
//  3. Prefill rows, at most prefill_chunk: all of them if no step waits or soon will, else as many
//     as kPrefillShare allows and at least one. So a prompt delays a step by at most that share,
//     and steps leave as much to prompts.
//  4. What does not suffice for all goes out row by row, each to the tenant that has the fewest in
//     this pass; of a tenant's jobs in turn, of equal ones to who came first.
// Never more than max_rows in all, and at least one row if there is a job.
std::vector<int> PlanPass(std::span<const PassJob> jobs, const PassLimits& limits,
                          const PassCosts& costs);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PASS_PLAN_H_
