#include "verifier/scheduler.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "verifier/sampler.h"

namespace recycling::verifier {

// One operation, an open or a verify step.
struct Scheduler::Job {
  std::shared_ptr<SequenceState> state;
  absl::Duration waiting_since;

  OpenDone open_done;  // null: this is a verify step
  OpenResult opened;

  StepDone step_done;
  VerifyStep step;
};

namespace {

absl::Status CheckNotCancelled(const SequenceState& state) {
  return state.cancelled ? absl::CancelledError("the sequence was cancelled") : absl::OkStatus();
}

absl::Status CheckSequence(const SequenceOptions& options, std::uint32_t vocab_size,
                           std::uint32_t context_length) {
  if (options.prompt_ids.empty()) {
    return absl::InvalidArgumentError("prompt_ids: got none, expected at least one");
  }
  const std::size_t total = options.prompt_ids.size() + options.generated_ids.size();
  if (total > context_length) {
    return absl::InvalidArgumentError(absl::StrCat("prompt_ids and generated_ids: got ", total,
                                                   " tokens, expected at most the context length, ",
                                                   context_length));
  }
  for (const auto* ids : {&options.prompt_ids, &options.generated_ids}) {
    for (const TokenId id : *ids) {
      if (id >= vocab_size) {
        return absl::InvalidArgumentError(
            absl::StrCat(ids == &options.prompt_ids ? "prompt_ids" : "generated_ids",
                         ": got token id ", id, ", expected less than ", vocab_size));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

Sequence::Sequence(Scheduler& scheduler, std::shared_ptr<SequenceState> state)
    : scheduler_(scheduler), state_(std::move(state)) {}

Sequence::~Sequence() { Cancel(); }

void Sequence::Cancel() {
  MutexLock lock(scheduler_.mu_);
  state_->cancelled = true;
  if (!state_->busy) state_->kv.reset();
}

absl::Status Sequence::Verify(VerifyStep step, StepDone done) {
  auto job = std::make_unique<Scheduler::Job>();
  job->state = state_;
  job->step = std::move(step);
  job->step_done = std::move(done);
  MutexLock lock(scheduler_.mu_);
  RETURN_IF_ERROR(CheckNotCancelled(*state_));
  if (scheduler_.stopping_) return absl::CancelledError("the verifier is stopping");
  if (state_->busy) {
    return absl::FailedPreconditionError(
        "verify: got a step while another operation is under way, expected it after the answer");
  }
  if (state_->kv == nullptr) {
    return absl::FailedPreconditionError("verify: got a step for a sequence that did not open");
  }
  scheduler_.Enqueue(std::move(job));
  return absl::OkStatus();
}

Scheduler::Scheduler(std::unique_ptr<Transformer> transformer, std::unique_ptr<KvCache> cache,
                     SchedulerOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      cache_(std::move(cache)),
      transformer_(std::move(transformer)),
      runner_(*transformer_, options_, clock_) {
  options_.k = std::min(options_.k, options_.vocab_size);
  thread_ = std::thread([this] { Run(); });
}

Scheduler::~Scheduler() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    for (const auto& job : queue_) job->state->cancelled = true;
    if (running_ != nullptr) running_->cancelled = true;
    work_.NotifyAll();
  }
  thread_.join();
}

absl::StatusOr<std::unique_ptr<Sequence>> Scheduler::Open(SequenceOptions options, OpenDone done) {
  RETURN_IF_ERROR(CheckSequence(options, options_.vocab_size, transformer_->context_length()));
  ASSIGN_OR_RETURN(SamplingRules rules,
                   SamplingRules::Create(options.sampling, options_.eos_ids, options_.vocab_size));
  ASSIGN_OR_RETURN(std::unique_ptr<KvSequence> kv, cache_->Open());
  auto state = std::make_shared<SequenceState>();
  state->rules = std::move(rules);
  state->kv = std::move(kv);
  state->learn_last = options.learn_last;
  state->want_candidates = options.want_candidates;
  state->prompt_size = options.prompt_ids.size();
  state->tokens = std::move(options.prompt_ids);
  state->tokens.insert(state->tokens.end(), options.generated_ids.begin(),
                       options.generated_ids.end());
  auto job = std::make_unique<Job>();
  job->state = state;
  job->open_done = std::move(done);
  auto sequence = std::unique_ptr<Sequence>(new Sequence(*this, std::move(state)));
  MutexLock lock(mu_);
  if (stopping_) return absl::CancelledError("the verifier is stopping");
  Enqueue(std::move(job));
  return sequence;
}

Load Scheduler::load() const {
  MutexLock lock(mu_);
  return {.open_sequences = static_cast<std::uint32_t>(cache_->open_sequences()),
          .queued_passes = static_cast<std::uint32_t>(queue_.size()),
          .row_costs = row_costs_.Snapshot()};
}

void Scheduler::SetRowCosts(RowCosts costs) {
  MutexLock lock(mu_);
  row_costs_ = std::move(costs);
}

void Scheduler::Enqueue(std::unique_ptr<Job> job) {
  job->state->busy = true;
  job->waiting_since = clock_.Monotonic();
  queue_.push_back(std::move(job));
  work_.NotifyAll();
}

std::unique_ptr<Scheduler::Job> Scheduler::TakeNext() {
  // Cancelled jobs go first: they take no pass and free slots.
  auto next = std::find_if(queue_.begin(), queue_.end(),
                           [](const auto& job) { return job->state->cancelled.load(); });
  if (next == queue_.end()) next = queue_.begin();
  std::unique_ptr<Job> job = std::move(*next);
  queue_.erase(next);
  return job;
}

void Scheduler::Run() {
  for (;;) {
    std::unique_ptr<Job> job;
    {
      MutexLock lock(mu_);
      while (queue_.empty() && !stopping_) work_.Wait(mu_);
      if (queue_.empty()) return;
      job = TakeNext();
      running_ = job->state;
    }
    if (job->open_done != nullptr) {
      RunOpen(std::move(job));
    } else {
      RunVerify(std::move(job));
    }
  }
}

void Scheduler::RunOpen(std::unique_ptr<Job> job) {
  SequenceState& state = *job->state;
  job->opened.timings.queue += clock_.Monotonic() - job->waiting_since;
  absl::Status status = CheckNotCancelled(state);
  if (status.ok()) status = runner_.PrefillChunk(state, job->opened);
  if (status.ok() && !state.prefilled()) {
    MutexLock lock(mu_);
    running_ = nullptr;
    Enqueue(std::move(job));
    return;
  }
  Release(state, /*close=*/!status.ok());
  if (status.ok()) {
    job->open_done(std::move(job->opened));
  } else {
    job->open_done(status);
  }
}

void Scheduler::RunVerify(std::unique_ptr<Job> job) {
  SequenceState& state = *job->state;
  const StepTimings timings = {.queue = clock_.Monotonic() - job->waiting_since};
  const absl::Status status = CheckNotCancelled(state);
  absl::StatusOr<StepResult> result =
      status.ok() ? runner_.Verify(state, std::move(job->step), timings) : status;
  if (result.ok()) {
    MutexLock lock(mu_);
    row_costs_.Record(result->rows, result->timings.forward + result->timings.sample);
  }
  Release(state, /*close=*/false);
  job->step_done(std::move(result));
}

void Scheduler::Release(SequenceState& state, bool close) {
  MutexLock lock(mu_);
  running_ = nullptr;
  state.busy = false;
  if (close || state.cancelled) state.kv.reset();
}

}  // namespace recycling::verifier
