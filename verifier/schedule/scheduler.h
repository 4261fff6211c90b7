// Runs the model for many sequences: one pass at a time, shared by all that wait.
//
// Invariants:
//  1. Between operations a sequence of n committed tokens has n - 1 positions in the cache; the
//     last token is the root of the next step.
//  2. What a sequence emits does not depend on the other sequences, nor on the trees it is offered.
//  3. What goes into a pass is PlanPass's to say (pass_plan.h), how long it waits for more
//     PassGather's (pass_gather.h). What is left waits in order of arrival; a prefill goes to the
//     end after each chunk.
//  4. A cancelled or destroyed sequence gives its slot back before the next pass starts. It ends
//     the pass it is in only if no other sequence is in it.
//  5. An error of one sequence is answered to that one; the others of its pass do not see it.
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

// What was done since the start, to be read from outside.
struct SchedulerCounts {
  std::uint64_t passes = 0;
  std::uint64_t shares = 0;      // sequences of each pass, added up
  std::uint64_t steps = 0;       // root rows
  std::uint64_t draft_rows = 0;  // verified
  std::uint64_t cut_rows = 0;    // draft rows that were offered and found no room
  std::uint64_t prefill_rows = 0;
  std::uint64_t waiting = 0;  // operations that wait now
  DurationHistogram took;     // passes that have ended, choosing and candidates included
};

class Scheduler;
struct SequenceState;

// Called once, on a thread of the scheduler, without a lock held and perhaps beside another
// sequence's; should not block, since passes wait for it. May use or destroy the sequence.
using OpenDone = std::function<void(absl::StatusOr<OpenResult>)>;
using StepDone = std::function<void(absl::StatusOr<StepResult>)>;

// One sequence and its slot. Call order: (Open's callback) Verify*, each after the callback of the
// one before. Threads: all methods may be called from any thread. The scheduler must outlive it.
class Sequence {
 public:
  // Cancels.
  ~Sequence();

  // Verifies one tree in one pass; `done` gets the result or
  //  FailedPrecondition for a base that is not the sequence's, or an output that has ended,
  //  OutOfRange if the context is full, InvalidArgument for a malformed tree, Internal for logits
  //  that are not finite, Cancelled.
  // After an error other than Cancelled the sequence is what it was before. A tree for another base
  // is ignored. Nodes that could not be emitted within the context are cut. Returns
  // FailedPrecondition, and never calls `done`, while another operation is under way or if Open
  // failed; Cancelled after Cancel.
  absl::Status Verify(VerifyStep step, StepDone done);

  // Makes an operation under way end as Cancelled soon, unless it is just done, and frees the slot.
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
  // Starts the thread that owns `transformer`. `clock` must outlive the scheduler.
  Scheduler(std::unique_ptr<Transformer> transformer, std::unique_ptr<KvCache> cache,
            SchedulerOptions options, const Clock& clock = RealClock());

  // Cancels every operation and waits for the callbacks.
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
  // OK if passes end; Unavailable, saying for how long none has, if the one that runs has taken so
  // long that it will hardly end (PassWatch). Waits for nothing that is held in a pass.
  absl::Status CheckPasses() const { return watch_.Check(clock_.Monotonic()); }
  KvUsage kv_usage() const { return cache_->usage(); }
  // What verify passes cost, choosing and candidates included, from now on as these say and then as
  // passes show.
  void SetPassCosts(PassCosts costs);
  // As given, k at most vocab_size.
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
  // Waits a moment for those that are about to come, see PassGather; not if nobody is.
  void Gather() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of the queue, what needs no pass: cancelled, malformed, or prefilled already.
  Jobs TakeDone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Of the queue, what goes into the next pass; running_ are its sequences then.
  Jobs TakePass() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Run();
  void RunPass(std::span<std::unique_ptr<Job>> jobs);
  // Says what came of a part of the pass to whoever asked; nothing, if more of a prompt is left.
  void Finish(Pass& pass, std::size_t part);
  // Learns from a pass of which every part is done.
  void Record(const Pass& pass);
  void AnswerOpen(Job& job, const absl::Status& status);
  void AnswerStep(Job& job, absl::StatusOr<StepResult> result);
  void Answer(Job& job, const absl::Status& error);  // also OK, for an open
  // Ends an operation; frees the slot if `close` or cancelled. `more`: a step is to be expected.
  OtherLoad Release(SequenceState& state, bool close, bool more);

  // Constant after construction.
  SchedulerOptions options_;
  const Clock& clock_;
  const std::unique_ptr<KvCache> cache_;  // has its own locking
  const std::unique_ptr<Transformer> transformer_;

  PassRunner runner_;                        // thread_ only
  std::atomic<bool> pass_cancelled_{false};  // every sequence of the pass was
  PassWatch watch_;                          // has its own locking

  mutable Mutex mu_;
  CondVar work_;
  std::deque<std::unique_ptr<Job>> queue_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<SequenceState>> running_ ABSL_GUARDED_BY(mu_);  // not yet answered
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  PassCosts pass_costs_ ABSL_GUARDED_BY(mu_);
  SchedulerCounts counts_ ABSL_GUARDED_BY(mu_);
  StepWork work_done_ ABSL_GUARDED_BY(mu_);  // of all passes
  PassGather gather_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULE_SCHEDULER_H_
