// Decides which rows go into the next pass. A pure function.
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
  // Of a step: the root and the draft nodes, at least 1. Of a prefill: all rows that are left, or 0
  // if it waits for a page that another prompt computes (PageClaims).
  int rows = 1;
};

struct PassLimits {
  int max_rows = 1;       // of a pass, at least 1
  int prefill_chunk = 1;  // prefill rows of a pass, at least 1
  int steps_soon = 0;     // steps that are expected soon but do not wait yet
};

// While steps wait or are expected soon, prefill rows may make a pass longer by this share of the
// time that the steps alone would take.
inline constexpr double kPrefillShare = 1.0;
// If no step waits or is expected soon, a pass has the most prefill rows whose time per row is at
// most this many times the shortest time per row.
inline constexpr double kAboutAsCheap = 1.02;
// The limit on prefill rows, while a step waits or is expected soon, if no pass was measured yet.
inline constexpr int kUnmeasuredPrefillRows = 16;

// Returns how many rows of each job go into the next pass; 0 means none. `jobs` are in order of
// arrival.
// 1. The root of every waiting step gets a row. If prefills wait too, one row is kept for them.
// 2. Draft rows follow: the first nodes of each tree in breadth-first order, so that the parent of
//    a node in the pass is in the pass too. If prefills wait, a fourth of the pass is kept for
//    them.
// 3. Prefill rows follow, at most prefill_chunk of them. If a step waits or is expected soon,
//    kPrefillShare limits them, but there is at least one. So a prompt delays a step by a bounded
//    time, and prompts get about half of the time. Else their number is the one with about the
//    shortest measured time per row.
// 4. If the jobs want more rows than there are, the rows are assigned one by one. Each goes to the
//    tenant with the fewest rows in this pass, and to that tenant's jobs in turn. Among tenants
//    with equally many rows, the tenant whose job arrived first comes first.
// The result is at most max_rows rows in all, and at least one if a job wants a row.
std::vector<int> PlanPass(std::span<const PassJob> jobs, const PassLimits& limits,
                          const PassCosts& costs);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_PASS_PLAN_H_
