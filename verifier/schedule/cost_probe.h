#ifndef RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_
#define RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {

// Runs passes of 1, 2, 4, ... up to max_tree_nodes + 1 rows, then of sizes in between, and gives
// the scheduler the fastest of a few of each as its row costs: a pass can be disturbed and never
// hurried. Also warms everything up: a prompt, plain steps and trees. Stops before a size that
// would take longer than what is left of `budget`, but not before one row is measured; says so in
// the log. Does nothing in a context of fewer than 8 tokens. Errors as Scheduler::Open's and
// Sequence::Verify's.
absl::Status MeasurePassCosts(Scheduler& scheduler, absl::Duration budget, const Clock& clock);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_
