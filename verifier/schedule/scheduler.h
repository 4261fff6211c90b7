// Runs the model for many sequences. It runs one pass at a time, which all waiting operations
// share.
//
// Invariants:
// 1. Between operations a sequence of n committed tokens has n - 1 positions in the cache; the
//    last token is the root of the next step.
// 2. The tokens that a sequence emits do not depend on other sequences, nor on its draft trees.
// 3. PlanPass (pass_plan.h) decides which rows go into a pass. PassGather (pass_gather.h) decides
//    how long a pass waits for more operations. Operations that are not in the pass wait in order
//    of arrival; a prefill goes to the end of the queue after each chunk.
// 4. A sequence that is cancelled or destroyed frees its slot before the next pass starts. It stops
//    the running pass only if all sequences of the pass are cancelled.
// 5. Only the sequence that caused an error gets the error.
// 6. While no sequence is open, the scheduler measures how long passes take. When an operation
//    arrives, the measured pass ends before its next layer.
#ifndef RECYCLING_VERIFIER_SCHEDULE_SCHEDULER_H_
#define RECYCLING_VERIFIER_SCHEDULE_SCHEDULER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/duration_histogram.h"
#include "common/base/mutex.h"
#include "verifier/forward/transformer.h"
#include "verifier/kv/kv_cache.h"
#include "verifier/schedule/cost_probe.h"
#include "verifier/schedule/kernel_costs.h"
#include "verifier/schedule/pass_costs.h"
#include "verifier/schedule/pass_gather.h"
#include "verifier/schedule/pass_runner.h"
#include "verifier/schedule/pass_watch.h"
#include "verifier/schedule/sequence_types.h"

namespace recycling::verifier {

struct Load {
  std::uint32_t open_sequences = 0;
  std::uint32_t queued_passes = 0;   // waiting operations, without those of the running pass
  std::vector<PassCost> pass_costs;  // see PassCosts; empty until measured
  std::uint64_t kv_bytes_used = 0;   // held by open sequences
  std::uint64_t kv_bytes_bound = 0;
};

// Counts since the start.
struct SchedulerCounts {
  std::uint64_t passes = 0;
  std::uint64_t shares = 0;      // the number of sequences in each pass, summed over all passes
  std::uint64_t steps = 0;       // steps in passes; each has one root row
  std::uint64_t draft_rows = 0;  // draft rows that were verified
  std::uint64_t cut_rows = 0;    // draft rows that were cut because a pass had no room
  std::uint64_t prefill_rows = 0;
  std::uint64_t waiting = 0;  // operations that wait now
  DurationHistogram took;     // times of ended passes, with sampling and candidates
};

class Scheduler;
struct SequenceState;

// The scheduler calls a callback once, on one of its threads, which then holds no lock. Callbacks
// of different sequences may run at the same time. A callback should not block, because passes wait
// for it. It may use or destroy the sequence.
using OpenDone = std::function<void(absl::StatusOr<OpenResult>)>;
using StepDone = std::function<void(absl::StatusOr<StepResult>)>;

// One sequence and its slot. Call Verify only after the callback of Open, or of the previous
// Verify, was called. Threads: all methods may be called from any thread. The scheduler must
// outlive the sequence.
class Sequence {
 public:
  // Cancels the current operation and frees the slot.
  ~Sequence();

  // Verifies one tree in one pass. `done` gets the result or one of these errors:
  //  FailedPrecondition if the base is not that of the sequence, or if the output has ended,
  //  OutOfRange if the context is full, InvalidArgument for a malformed tree, Internal if logits
  //  are not finite, Cancelled.
  // After an error other than Cancelled the sequence is unchanged. A tree for another base is
  // ignored. Nodes whose tokens would not fit into the context are cut. Returns FailedPrecondition
  // during another operation or if Open failed, and Cancelled after Cancel; `done` is then not
  // called.
  absl::Status Verify(VerifyStep step, StepDone done);

  // Frees the slot. The current operation soon ends with Cancelled, unless it has just succeeded.
  void Cancel();

 private:
  friend class Scheduler;
  Sequence(Scheduler& scheduler, std::shared_ptr<SequenceState> state);

  Scheduler& scheduler_;
  const std::shared_ptr<SequenceState> state_;
};

// Threads: all methods may be called from any thread.
class Scheduler {
 public:
  // Starts the thread that runs passes on `transformer`. `probe` measures passes of this
  // transformer. What it has measured so far is what is known of their costs. The scheduler lets it
  // measure the rest while no sequence is open, and ends such a pass when an operation arrives.
  // Null: nothing is known, nothing is measured. `clock` must outlive the scheduler.
  Scheduler(std::unique_ptr<Transformer> transformer, std::unique_ptr<KvCache> cache,
            SchedulerOptions options, const Clock& clock = RealClock(),
            std::unique_ptr<CostProbe> probe = nullptr);

  // Cancels every operation and returns after the last callback.
  ~Scheduler();

  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Takes a slot and starts to prefill all tokens but the last. Returns InvalidArgument if ids or
  // sampling options are out of range or if there are too many tokens, and the errors of
  // KvCache::Open: OutOfRange if the cache could never hold all tokens that the sequence may have,
  // and ResourceExhausted if it cannot hold them now or if no slot is free. After such an error
  // `done` is not called. Otherwise `done` gets the result, Cancelled, or an error of the forward
  // pass or of the cache.
  absl::StatusOr<std::unique_ptr<Sequence>> Open(SequenceOptions options, OpenDone done);

  Load load() const;
  SchedulerCounts counts() const;
  // Returns Unavailable if the running pass seems to hang (PassWatch), and OK if not. The message
  // has the time since this pass began. Takes no lock that is held during a pass.
  absl::Status CheckPasses() const { return watch_.Check(clock_.Monotonic()); }
  KvUsage kv_usage() const { return cache_->usage(); }
  // Replaces the measured times of verify passes, which include sampling and candidates. Later
  // passes correct them.
  void SetPassCosts(PassCosts costs);
  // Which kernels passes use, and the measured times behind the choice.
  KernelCosts kernel_costs() const;
  // The options that the constructor got, but k is at most vocab_size.
  const SchedulerOptions& options() const { return options_; }
  const Transformer& transformer() const { return *transformer_; }
  int max_sequences() const { return cache_->max_sequences(); }

 private:
  friend class Sequence;
  struct Job;
  struct Pass;

  using Jobs = std::vector<std::unique_ptr<Job>>;

  void Enqueue(std::unique_ptr<Job> job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Cancel(SequenceState& state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Waits a short time if steps are expected soon; see PassGather.
  void Gather() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Removes from the queue, and returns, the operations that need no pass: they are cancelled,
  // malformed or already prefilled.
  Jobs TakeDone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Removes from the queue, and returns, the operations of the next pass. Adds their sequences to
  // running_.
  Jobs TakePass() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // True if the thread has nothing better to do than to measure a pass.
  bool MayMeasure() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Measures one pass, unless an operation arrives.
  void Measure(absl::Duration full);
  void Run();
  void RunPass(std::span<std::unique_ptr<Job>> jobs);
  // Answers the operation of one part of the pass, unless a part of its prompt is left.
  void Finish(Pass& pass, std::size_t part);
  // Updates counts, costs and loads from a pass whose parts are all done.
  void Record(const Pass& pass);
  void AnswerOpen(Job& job, const absl::Status& status);
  void AnswerStep(Job& job, absl::StatusOr<StepResult> result);
  // Answers with `status`. OK is allowed only for an open.
  void Answer(Job& job, const absl::Status& status);
  // Ends an operation. Frees the slot if `close` is set or the sequence is cancelled. `more` says
  // that another step is expected. Returns the load by other sequences.
  OtherLoad Release(SequenceState& state, bool close, bool more);

  // Constant after construction.
  SchedulerOptions options_;
  const Clock& clock_;
  const std::unique_ptr<KvCache> cache_;  // has its own locking
  const std::unique_ptr<Transformer> transformer_;

  PassRunner runner_;                 // thread_ only
  std::unique_ptr<CostProbe> probe_;  // thread_ only; null: nothing to measure
  std::atomic<bool> measure_stopped_{false};
  std::atomic<bool> pass_cancelled_{false};  // every sequence of the running pass is cancelled
  PassWatch watch_;                          // has its own locking

  mutable Mutex mu_;
  CondVar work_;
  std::deque<std::unique_ptr<Job>> queue_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<SequenceState>> running_ ABSL_GUARDED_BY(mu_);  // not yet answered
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  PassCosts pass_costs_ ABSL_GUARDED_BY(mu_);
  KernelCosts kernel_costs_ ABSL_GUARDED_BY(mu_);
  SchedulerCounts counts_ ABSL_GUARDED_BY(mu_);
  StepWork work_done_ ABSL_GUARDED_BY(mu_);  // sum over all passes
  PassGather gather_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_SCHEDULER_H_
