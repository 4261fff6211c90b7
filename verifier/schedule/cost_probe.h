#ifndef RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_
#define RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "verifier/forward/transformer.h"
#include "verifier/kv/kv_cache.h"
#include "verifier/schedule/kernel_costs.h"
#include "verifier/schedule/pass_runner.h"

namespace recycling::verifier {

// Measures what passes cost with each kernel of a transformer, by running them on a sequence of its
// own, and makes the transformer use the kernels that KernelCosts chooses. A measured pass is a
// step with a tree: sampling and candidates are part of its cost. Not thread-safe.
class CostProbe {
 public:
  // `cache` has a free slot and the layout of the transformer's passes; one page is enough.
  // `transformer` and `clock` must outlive the probe. `options` as for Scheduler. Returns the
  // errors of KvCache::Open and SamplingRules::Create.
  static absl::StatusOr<std::unique_ptr<CostProbe>> Create(Transformer& transformer,
                                                           std::unique_ptr<KvCache> cache,
                                                           const SchedulerOptions& options,
                                                           const Clock& clock = RealClock());

  // Measures what is needed to choose kernels (KernelCosts::ready). Stops early if the next pass
  // would probably end after `budget`; a pass of one row runs in any case. With a budget of 0
  // nothing is left to measure later. Writes the result to the log. Returns the errors of a pass.
  absl::Status MeasureFirst(absl::Duration budget);

  // Measures one more pass. Ends early, as Cancelled, if *cancelled becomes true; the pass is then
  // still to be measured. Writes the result of the last pass to the log. Requires !done().
  absl::Status MeasureNext(const std::atomic<bool>& cancelled);

  // True if nothing is left to measure.
  bool done() const { return ended_ || costs_.done(); }

  const KernelCosts& costs() const { return costs_; }

 private:
  CostProbe(Transformer& transformer, std::unique_ptr<KvCache> cache,
            const SchedulerOptions& options, const Clock& clock);

  absl::Status Measure(const std::atomic<bool>* cancelled);
  void LogCosts() const;

  Transformer& transformer_;
  const std::unique_ptr<KvCache> cache_;
  const SchedulerOptions options_;
  const Clock& clock_;
  PassRunner runner_;
  SequenceState state_;
  KernelCosts costs_;
  bool ended_ = false;  // the rest of `costs_` is not to be measured
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_COST_PROBE_H_
