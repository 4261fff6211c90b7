// Runs the model for many sequences: one pass at a time, in turn.
//
// Invariants:
//  1. Between operations a sequence of n committed tokens has n - 1 positions in the cache; the
//     last token is the root of the next step.
//  2. What a sequence emits does not depend on the other sequences, nor on the trees it is offered.
//  3. Jobs wait in one queue, first come first served; a prefill goes to its end after each chunk.
//  4. A cancelled or destroyed sequence gives its slot back before the next pass starts.
#ifndef RECYCLING_VERIFIER_SCHEDULER_H_
#define RECYCLING_VERIFIER_SCHEDULER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "verifier/kv_cache.h"
#include "verifier/pass_runner.h"
#include "verifier/row_costs.h"
#include "verifier/sequence_types.h"
#include "verifier/transformer.h"

namespace recycling::verifier {

struct Load {
  std::uint32_t open_sequences = 0;
  std::uint32_t queued_passes = 0;  // the running one is not counted
  std::vector<RowCost> row_costs;   // see RowCosts; empty until measured
};

class Scheduler;
struct SequenceState;

// Called once, on the scheduler's thread, without a lock held; may use or destroy the sequence.
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

  // Takes a slot and starts to prefill all tokens but the last. InvalidArgument for ids or sampling
  // options out of range or too many tokens; ResourceExhausted if no slot is free; in both cases
  // `done` is not called. `done` gets the result, Cancelled, or an error of the forward pass.
  absl::StatusOr<std::unique_ptr<Sequence>> Open(SequenceOptions options, OpenDone done);

  Load load() const;
  // What verify passes cost, choosing and candidates included, from now on as these say and then as
  // passes show.
  void SetRowCosts(RowCosts costs);
  // As given, k at most vocab_size.
  const SchedulerOptions& options() const { return options_; }
  const Transformer& transformer() const { return *transformer_; }
  int max_sequences() const { return cache_->max_sequences(); }

 private:
  friend class Sequence;
  struct Job;

  void Enqueue(std::unique_ptr<Job> job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::unique_ptr<Job> TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Run();
  void RunOpen(std::unique_ptr<Job> job);
  void RunVerify(std::unique_ptr<Job> job);
  // Ends an operation; frees the slot if `close` or cancelled.
  void Release(SequenceState& state, bool close);

  // Constant after construction.
  SchedulerOptions options_;
  const Clock& clock_;
  const std::unique_ptr<KvCache> cache_;  // has its own locking
  const std::unique_ptr<Transformer> transformer_;

  PassRunner runner_;  // thread_ only

  mutable Mutex mu_;
  CondVar work_;
  std::deque<std::unique_ptr<Job>> queue_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<SequenceState> running_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  RowCosts row_costs_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SCHEDULER_H_
