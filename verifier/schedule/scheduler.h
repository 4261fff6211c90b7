// Runs the model for many sequences: one pass at a time, shared by all that wait.
//
// Invariants:
//  1. Between operations a sequence of n committed tokens has n - 1 positions in the cache; the
//     last token is the root of the next step.
//  2. What a sequence emits does not depend on the other sequences, nor on the trees it is offered.
//  3. PlanPass (pass_plan.h) decides what goes into a pass. PassGather (pass_gather.h) decides how
//     long a pass waits for more operations. All other operations wait in order of arrival; a
//     prefill goes to the end of the queue after each chunk.
//  4. A cancelled or destroyed sequence gives its slot back before the next pass starts. It ends
//     the pass that it is in only if that pass has no other sequence.
//  5. An error of one sequence is reported to that sequence only. The other sequences of the pass
//     do not see it.
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
#include "verifier/schedule/pass_costs.h"
#include "verifier/schedule/pass_gather.h"
#include "verifier/schedule/pass_runner.h"
#include "verifier/schedule/pass_watch.h"
#include "verifier/schedule/sequence_types.h"

namespace recycling::verifier {

struct Load {
  std::uint32_t open_sequences = 0;
  std::uint32_t queued_passes = 0;   // operations that wait; those of the running pass do not count
  std::vector<PassCost> pass_costs;  // see PassCosts; empty until measured
  std::uint64_t kv_bytes_used = 0;   // held by open sequences
  std::uint64_t kv_bytes_bound = 0;
};

// Counts since the start.
struct SchedulerCounts {
  std::uint64_t passes = 0;
  std::uint64_t shares = 0;      // the number of sequences in each pass, summed over all passes
  std::uint64_t steps = 0;       // root rows
  std::uint64_t draft_rows = 0;  // verified
  std::uint64_t cut_rows = 0;    // draft rows of clients for which a pass had no room
  std::uint64_t prefill_rows = 0;
  std::uint64_t waiting = 0;  // operations that wait now
  DurationHistogram took;     // of passes that have ended, sampling and candidates included
};

class Scheduler;
struct SequenceState;

// Called once, on a thread of the scheduler that holds no lock. Callbacks of different sequences
// may run at the same time. A callback should not block, because passes wait for it. It may use or
// destroy the sequence.
using OpenDone = std::function<void(absl::StatusOr<OpenResult>)>;
using StepDone = std::function<void(absl::StatusOr<StepResult>)>;

// One sequence and its slot. Call Verify only after the callback of Open, or of the Verify before,
// was called. Threads: all methods may be called from any thread. The scheduler must outlive it.
class Sequence {
 public:
  // Cancels the operation under way and gives the slot back.
  ~Sequence();

  // Verifies one tree in one pass. `done` gets the result or one of these errors:
  //  FailedPrecondition if the base is not the sequence's, or the output has ended,
  //  OutOfRange if the context is full, InvalidArgument for a malformed tree, Internal for logits
  //  that are not finite, Cancelled.
  // After an error other than Cancelled the sequence is what it was before. A tree for another base
  // is ignored. Nodes that could not be emitted within the context are cut.
  // Returns FailedPrecondition while another operation is under way or if Open failed, and
  // Cancelled after Cancel; `done` is not called then.
  absl::Status Verify(VerifyStep step, StepDone done);

  // Frees the slot. An operation under way soon ends as Cancelled, unless it has just succeeded.
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
  // Starts the thread that runs passes on `transformer`. `clock` must outlive the scheduler.
  Scheduler(std::unique_ptr<Transformer> transformer, std::unique_ptr<KvCache> cache,
            SchedulerOptions options, const Clock& clock = RealClock());

  // Cancels every operation and returns after the last callback.
  ~Scheduler();

  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Takes a slot and starts to prefill all tokens but the last. Returns InvalidArgument for ids or
  // sampling options out of range or too many tokens, and the errors of KvCache::Open: OutOfRange
  // if the cache could never hold all tokens that the sequence may have, ResourceExhausted if it
  // cannot hold them now or no slot is free. After such an error `done` is not called. Otherwise
  // `done` gets the result, Cancelled, or an error of the forward pass or of the cache.
  absl::StatusOr<std::unique_ptr<Sequence>> Open(SequenceOptions options, OpenDone done);

  Load load() const;
  SchedulerCounts counts() const;
  // Unavailable, with the time since a pass last ended, if the running pass seems to hang
  // (PassWatch); else OK. Takes no lock that is held during a pass.
  absl::Status CheckPasses() const { return watch_.Check(clock_.Monotonic()); }
  KvUsage kv_usage() const { return cache_->usage(); }
  // Replaces what is known of the costs of verify passes, sampling and candidates included. Passes
  // that run later change it again.
  void SetPassCosts(PassCosts costs);
  // As given to the constructor, but k is at most vocab_size.
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
  // Waits a short time for steps that are expected soon, if there are any; see PassGather.
  void Gather() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes out of the queue the operations that need no pass: those that are cancelled, malformed or
  // prefilled already.
  Jobs TakeDone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Takes out of the queue the operations of the next pass and adds their sequences to running_.
  Jobs TakePass() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Run();
  void RunPass(std::span<std::unique_ptr<Job>> jobs);
  // Answers the operation of one part of the pass, unless more of its prompt is left.
  void Finish(Pass& pass, std::size_t part);
  // Updates counts, costs and loads from a pass whose parts are all done.
  void Record(const Pass& pass);
  void AnswerOpen(Job& job, const absl::Status& status);
  void AnswerStep(Job& job, absl::StatusOr<StepResult> result);
  // Answers with an error, or with OK for an open.
  void Answer(Job& job, const absl::Status& status);
  // Ends an operation. Frees the slot if `close` is set or the sequence is cancelled. `more`:
  // another step is expected. Returns what the sequence's passes do for others.
  OtherLoad Release(SequenceState& state, bool close, bool more);

  // Constant after construction.
  SchedulerOptions options_;
  const Clock& clock_;
  const std::unique_ptr<KvCache> cache_;  // has its own locking
  const std::unique_ptr<Transformer> transformer_;

  PassRunner runner_;                        // thread_ only
  std::atomic<bool> pass_cancelled_{false};  // every sequence of the running pass is cancelled
  PassWatch watch_;                          // has its own locking

  mutable Mutex mu_;
  CondVar work_;
  std::deque<std::unique_ptr<Job>> queue_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<SequenceState>> running_ ABSL_GUARDED_BY(mu_);  // not yet answered
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  PassCosts pass_costs_ ABSL_GUARDED_BY(mu_);
  SchedulerCounts counts_ ABSL_GUARDED_BY(mu_);
  StepWork work_done_ ABSL_GUARDED_BY(mu_);  // sum over all passes
  PassGather gather_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_SCHEDULER_H_
