#ifndef RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_
#define RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {

// Runs passes of 1, 2, 4, ... up to max_tree_nodes + 1 rows and then of sizes in between, and gives
// their costs to the scheduler. Runs each size up to three times; the fastest run counts, because
// other programs can make a pass slower but not faster. The passes also warm up the code for
// prompts, plain steps and trees. Skips a size that would take longer than the rest of `budget`,
// and logs how many it skipped. It always measures one row. Does nothing if the context length is
// below 8 tokens. Returns the errors of Scheduler::Open and Sequence::Verify.
absl::Status MeasurePassCosts(Scheduler& scheduler, absl::Duration budget, const Clock& clock);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_
