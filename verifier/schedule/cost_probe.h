#ifndef RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_
#define RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {

// Runs passes of 1, 2, 4, ... up to max_tree_nodes + 1 rows, then of sizes in between, and gives
// their costs to the scheduler. Of a few passes of each size the fastest one counts, because other
// programs can make a pass slower but not faster. The passes also warm up what requests use: a
// prompt, plain steps and trees. Leaves out, with a note in the log, a size that would take longer
// than what is left of `budget`; one row is always measured. Does nothing in a context of fewer
// than 8 tokens. Returns the errors of Scheduler::Open and Sequence::Verify.
absl::Status MeasurePassCosts(Scheduler& scheduler, absl::Duration budget, const Clock& clock);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_
