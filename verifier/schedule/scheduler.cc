#include "verifier/schedule/scheduler.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/log.h"
#include "common/base/status_macros.h"
#include "common/decoding/check_token.h"
#include "verifier/sampling/sampler.h"
#include "verifier/schedule/page_claims.h"
#include "verifier/schedule/pass_plan.h"

namespace recycling::verifier {

// One operation, an open or a verify step.
struct Scheduler::Job {
  StepTimings& timings() { return is_open() ? opened.timings : step_timings; }
  bool is_open() const { return opens; }
  bool answered() const { return open_done == nullptr && step_done == nullptr; }
  int rows() const { return opens ? chunk_rows : step->tree.size(); }  // in its pass

  std::shared_ptr<SequenceState> state;
  absl::Duration waiting_since;

  bool opens = false;  // if not, this is a verify step

  OpenDone open_done;
  OpenResult opened;
  int chunk_rows = 0;  // in the next pass

  StepDone step_done;
  absl::StatusOr<CheckedStep> step;
  StepTimings step_timings;
  int tokens = 0;  // tokens that the pass emitted for the sequence
};

struct Scheduler::Pass {
  std::span<std::unique_ptr<Job>> jobs;
  absl::Duration begin;
  absl::Duration end;  // of the forward pass
  int step_rows = 0;
  int prefill_rows = 0;
  std::atomic<std::size_t> unfinished = 0;  // parts that are not done
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
  RETURN_IF_ERROR(CheckTokens("prompt_ids", options.prompt_ids, vocab_size));
  return CheckTokens("generated_ids", options.generated_ids, vocab_size);
}

// The sequence's request to the cache: its tokens, how many of them may be reused, and room for all
// tokens that may follow.
KvRequest KvRequestFor(const SequenceState& state) {
  const std::uint64_t most =
      std::max(std::uint64_t{state.base()},
               state.prompt_size + std::uint64_t{state.rules.options.max_tokens.value_or(
                                       std::numeric_limits<std::uint32_t>::max())});
  return {.tenant = state.tenant,
          .tokens = state.tokens,
          .max_reused = state.reusable(),
          .max_positions = static_cast<std::uint32_t>(
              std::min<std::uint64_t>(most, std::numeric_limits<std::uint32_t>::max()))};
}

}  // namespace

Sequence::Sequence(Scheduler& scheduler, std::shared_ptr<SequenceState> state)
    : scheduler_(scheduler), state_(std::move(state)) {}

Sequence::~Sequence() { Cancel(); }

void Sequence::Cancel() {
  MutexLock lock(scheduler_.mu_);
  scheduler_.Cancel(*state_);
}

absl::Status Sequence::Verify(VerifyStep step, StepDone done) {
  {
    MutexLock lock(scheduler_.mu_);
    RETURN_IF_ERROR(CheckNotCancelled(*state_));
    if (scheduler_.stopping_) return absl::CancelledError("the verifier is stopping");
    if (state_->busy) {
      return absl::FailedPreconditionError(
          "verify: got a step during another operation, expected it after the answer to that "
          "operation");
    }
    if (state_->kv == nullptr) {
      return absl::FailedPreconditionError("verify: got a step for a sequence that did not open");
    }
    state_->busy = true;
  }
  auto job = std::make_unique<Scheduler::Job>();
  job->state = state_;
  job->step_done = std::move(done);
  // The step is checked here and not on the scheduler's thread, because that thread works for all
  // sequences.
  job->step = CheckStep(*state_, std::move(step), scheduler_.options_,
                        scheduler_.transformer_->context_length());
  MutexLock lock(scheduler_.mu_);
  if (scheduler_.stopping_) {
    state_->busy = false;
    return absl::CancelledError("the verifier is stopping");
  }
  scheduler_.Enqueue(std::move(job));
  return absl::OkStatus();
}

Scheduler::Scheduler(std::unique_ptr<Transformer> transformer, std::unique_ptr<KvCache> cache,
                     SchedulerOptions options, const Clock& clock, std::unique_ptr<CostProbe> probe)
    : options_(std::move(options)),
      clock_(clock),
      cache_(std::move(cache)),
      transformer_(std::move(transformer)),
      runner_(*transformer_, options_),
      probe_(std::move(probe)),
      kernel_costs_(probe_ != nullptr ? probe_->costs() : KernelCosts(transformer_->kernels(), 1)) {
  options_.k = std::min(options_.k, options_.vocab_size);
  pass_costs_ = kernel_costs_.costs();
  thread_ = std::thread([this] { Run(); });
}

Scheduler::~Scheduler() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    measure_stopped_ = true;
    for (const auto& job : queue_) job->state->cancelled = true;
    for (const auto& state : running_) state->cancelled = true;
    pass_cancelled_ = true;
    work_.NotifyAll();
  }
  thread_.join();
}

absl::StatusOr<std::unique_ptr<Sequence>> Scheduler::Open(SequenceOptions options, OpenDone done) {
  RETURN_IF_ERROR(CheckSequence(options, options_.vocab_size, transformer_->context_length()));
  ASSIGN_OR_RETURN(SamplingRules rules,
                   SamplingRules::Create(options.sampling, options_.eos_ids, options_.vocab_size));
  auto state = std::make_shared<SequenceState>();
  if (const auto& constraint = options.sampling.constraint; constraint.has_value()) {
    if (options_.constraints == nullptr) {
      return absl::UnimplementedError("constraint: this verifier has no texts of tokens");
    }
    ASSIGN_OR_RETURN(state->constraint,
                     options_.constraints->Open(*constraint, options.sampling.ignore_eos));
    ASSIGN_OR_RETURN(const constraint::StateId reached,
                     state->constraint->StateAfter(options.generated_ids));
    state->constraint->Commit(reached);
  }
  state->rules = std::move(rules);
  state->learn_last = options.learn_last;
  state->want_candidates = options.want_candidates;
  state->tenant = std::move(options.tenant);
  state->prompt_size = options.prompt_ids.size();
  state->tokens = std::move(options.prompt_ids);
  state->tokens.insert(state->tokens.end(), options.generated_ids.begin(),
                       options.generated_ids.end());
  ASSIGN_OR_RETURN(state->kv, cache_->Open(KvRequestFor(*state)));
  auto job = std::make_unique<Job>();
  job->state = state;
  job->opens = true;
  job->open_done = std::move(done);
  job->opened.base = state->base();
  job->opened.cached_tokens = state->kv->length();
  auto sequence = std::unique_ptr<Sequence>(new Sequence(*this, std::move(state)));
  MutexLock lock(mu_);
  if (stopping_) return absl::CancelledError("the verifier is stopping");
  Enqueue(std::move(job));
  return sequence;
}

Load Scheduler::load() const {
  MutexLock lock(mu_);
  const KvUsage kv = cache_->usage();
  return {.open_sequences = static_cast<std::uint32_t>(cache_->open_sequences()),
          .queued_passes = static_cast<std::uint32_t>(queue_.size()),
          .pass_costs = pass_costs_.Snapshot(),
          .kv_bytes_used = kv.held_bytes,
          .kv_bytes_bound = kv.bound_bytes};
}

SchedulerCounts Scheduler::counts() const {
  MutexLock lock(mu_);
  SchedulerCounts counts = counts_;
  counts.waiting = queue_.size();
  return counts;
}

void Scheduler::SetPassCosts(PassCosts costs) {
  MutexLock lock(mu_);
  pass_costs_ = std::move(costs);
}

KernelCosts Scheduler::kernel_costs() const {
  MutexLock lock(mu_);
  return kernel_costs_;
}

void Scheduler::Enqueue(std::unique_ptr<Job> job) {
  measure_stopped_ = true;
  job->state->busy = true;
  if (stopping_) job->state->cancelled = true;
  job->waiting_since = clock_.Monotonic();
  if (!job->is_open()) gather_.Arrived(job->state.get(), job->waiting_since);
  queue_.push_back(std::move(job));
  work_.NotifyAll();
}

void Scheduler::Cancel(SequenceState& state) {
  state.cancelled = true;
  gather_.Left(&state);
  if (!state.busy) state.Close();
  pass_cancelled_ = std::all_of(running_.begin(), running_.end(),
                                [](const auto& running) { return running->cancelled.load(); });
  work_.NotifyAll();
}

void Scheduler::Gather() {
  const absl::Duration ready = clock_.Monotonic();
  const absl::Duration plain = pass_costs_.At(1);
  while (!stopping_) {
    const absl::Duration now = clock_.Monotonic();
    const absl::Duration start = gather_.StartAt(ready, now, plain);
    if (start <= now) return;
    work_.WaitFor(mu_, start - now);
  }
}

Scheduler::Jobs Scheduler::TakeDone() {
  Jobs done;
  for (auto& job : queue_) {
    if (job->is_open()) {  // other sequences may have prefilled its pages meanwhile
      SequenceState& state = *job->state;
      job->opened.cached_tokens += state.kv->FindMore(state.tokens, state.reusable());
    }
    if (job->state->cancelled || (job->is_open() ? job->state->prefilled() : !job->step.ok())) {
      done.push_back(std::move(job));
    }
  }
  std::erase(queue_, nullptr);
  return done;
}

Scheduler::Jobs Scheduler::TakePass() {
  std::vector<PassJob> waiting;
  waiting.reserve(queue_.size());
  PageClaims claims;
  for (const auto& job : queue_) {
    if (job->is_open()) claims.Add(*job->state);
  }
  for (const auto& job : queue_) {
    const SequenceState& state = *job->state;
    const int rows = !job->is_open()         ? job->step->tree.size()
                     : claims.MayFill(state) ? state.unfilled()
                                             : 0;
    waiting.push_back({.tenant = state.tenant, .prefill = job->is_open(), .rows = rows});
  }
  const std::vector<int> rows = PlanPass(waiting,
                                         {.max_rows = options_.max_rows,
                                          .prefill_chunk = options_.prefill_chunk,
                                          .steps_soon = gather_.Expected(clock_.Monotonic())},
                                         pass_costs_);

  Jobs pass;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == 0) continue;
    Job& job = *queue_[i];
    if (job.is_open()) {
      job.chunk_rows = rows[i];
      counts_.prefill_rows += static_cast<std::uint64_t>(rows[i]);
    } else {
      DraftTree& tree = job.step->tree;
      counts_.cut_rows += static_cast<std::uint64_t>(tree.size() - rows[i]);
      counts_.draft_rows += static_cast<std::uint64_t>(rows[i] - 1);
      ++counts_.steps;
      if (rows[i] < tree.size()) {
        const int depth = tree.size();  // no limit
        tree = CutTree(std::move(tree), rows[i] - 1, depth);
      }
    }
    running_.push_back(job.state);
    pass.push_back(std::move(queue_[i]));
  }
  std::erase(queue_, nullptr);
  std::stable_partition(pass.begin(), pass.end(), [](const auto& job) { return !job->is_open(); });
  ++counts_.passes;
  counts_.shares += pass.size();
  pass_cancelled_ = stopping_;
  return pass;
}

bool Scheduler::MayMeasure() const {
  return probe_ != nullptr && !probe_->done() && cache_->open_sequences() == 0;
}

void Scheduler::Measure(absl::Duration full) {
  watch_.Began(clock_.Monotonic(), full);
  const int rows = probe_->costs().next().rows;
  const absl::Status status = probe_->MeasureNext(measure_stopped_);
  watch_.Ended(clock_.Monotonic());
  if (status.ok()) {
    MutexLock lock(mu_);
    kernel_costs_ = probe_->costs();
    pass_costs_.Set(rows, kernel_costs_.costs().At(rows));
  } else if (!absl::IsCancelled(status)) {
    Log(LogLevel::kError, "the costs of passes are no longer measured",
        {{"error", std::string(status.message())}});
    probe_.reset();
  }
}

void Scheduler::Run() {
  for (;;) {
    Jobs done;
    Jobs pass;
    absl::Duration full;  // expected time of a full pass
    bool measure = false;
    {
      MutexLock lock(mu_);
      while (queue_.empty() && !stopping_ && !MayMeasure()) work_.Wait(mu_);
      if (queue_.empty() && stopping_) return;
      full = pass_costs_.At(options_.max_rows);
      measure = queue_.empty();
      if (measure) measure_stopped_ = false;
      done = TakeDone();
      if (done.empty() && !measure) {
        Gather();
        done = TakeDone();
      }
      if (done.empty() && !measure) pass = TakePass();
    }
    if (measure) {
      Measure(full);
      continue;
    }
    watch_.Began(clock_.Monotonic(), full);
    for (const auto& job : done) {
      job->timings().queue += clock_.Monotonic() - job->waiting_since;
      absl::Status status = CheckNotCancelled(*job->state);
      if (status.ok() && !job->is_open()) status = job->step.status();
      Answer(*job, status);
    }
    if (!pass.empty()) RunPass(pass);
    watch_.Ended(clock_.Monotonic());
  }
}

void Scheduler::RunPass(std::span<std::unique_ptr<Job>> jobs) {
  Pass pass = {.jobs = jobs, .begin = clock_.Monotonic(), .unfinished = jobs.size()};
  std::vector<PassPart> parts;
  parts.reserve(jobs.size());
  for (const auto& job : jobs) {
    job->timings().queue += pass.begin - job->waiting_since;
    parts.push_back({.state = job->state.get(),
                     .tree = job->is_open() ? nullptr : &job->step->tree,
                     .chunk_rows = job->chunk_rows});
    (job->is_open() ? pass.prefill_rows : pass.step_rows) += job->rows();
  }
  const absl::Status status = runner_.Forward(parts, &pass_cancelled_);
  pass.end = clock_.Monotonic();
  for (const auto& job : jobs) {
    job->timings().forward += pass.end - pass.begin;
    job->waiting_since = pass.end;
  }
  if (status.ok()) {
    runner_.ForEachPart([&](std::size_t part) { Finish(pass, part); });
  } else if (absl::IsCancelled(status) || jobs.size() == 1) {
    for (const auto& job : jobs) Answer(*job, status);
  } else {
    // One of the sequences caused the error. Running each sequence alone shows which one.
    for (auto& job : jobs) {
      watch_.Next(clock_.Monotonic());
      RunPass({&job, 1});
    }
  }

  MutexLock lock(mu_);
  for (auto& job : jobs) {
    if (job == nullptr || job->answered()) continue;
    std::erase(running_, job->state);
    Enqueue(std::move(job));  // a part of its prompt is left
  }
}

void Scheduler::Finish(Pass& pass, std::size_t part) {
  Job& job = *pass.jobs[part];
  absl::Status status = CheckNotCancelled(*job.state);
  absl::StatusOr<StepResult> result = absl::CancelledError();
  if (status.ok() && job.is_open()) {
    status = runner_.FinishChunk(part, job.opened);
  } else if (status.ok()) {
    result = runner_.FinishStep(part);
    if (result.ok()) job.tokens = static_cast<int>(result->tokens.size());
  } else {
    result = status;
  }
  job.timings().sample += clock_.Monotonic() - pass.end;
  if (--pass.unfinished == 0) Record(pass);
  if (!job.is_open()) {
    AnswerStep(job, std::move(result));
  } else if (!status.ok() || job.state->prefilled()) {
    AnswerOpen(job, status);
  }
}

void Scheduler::Record(const Pass& pass) {
  const absl::Duration took = clock_.Monotonic() - pass.begin;
  StepWork work = {.rows = pass.step_rows};
  for (const auto& job : pass.jobs) work.tokens += job->tokens;
  work.took = took * pass.step_rows / (pass.step_rows + pass.prefill_rows);
  MutexLock lock(mu_);
  counts_.took.Add(took);
  // Most rows of a prompt have no logits, so they cost less than the rows of a step. A pass with
  // prompts would make the curve too low.
  if (pass.prefill_rows == 0) pass_costs_.Record(pass.step_rows, took);
  work_done_.Add(work);
  for (const auto& job : pass.jobs) {
    if (job->tokens > 0) job->state->others.Add(work, job->rows(), job->tokens, work_done_);
  }
}

void Scheduler::Answer(Job& job, const absl::Status& status) {
  if (job.is_open()) {
    AnswerOpen(job, status);
  } else {
    AnswerStep(job, status);
  }
}

void Scheduler::AnswerOpen(Job& job, const absl::Status& status) {
  Release(*job.state, /*close=*/!status.ok(), /*more=*/status.ok());
  const OpenDone done = std::exchange(job.open_done, nullptr);
  if (status.ok()) {
    done(std::move(job.opened));
  } else {
    done(status);
  }
}

void Scheduler::AnswerStep(Job& job, absl::StatusOr<StepResult> result) {
  const bool more = result.ok() && !job.state->ended;
  const OtherLoad others = Release(*job.state, /*close=*/false, more);
  if (result.ok()) {
    result->draft_ignored = job.step->draft_ignored;
    result->timings = job.step_timings;
    result->others = others;
  }
  const StepDone done = std::exchange(job.step_done, nullptr);
  done(std::move(result));
}

OtherLoad Scheduler::Release(SequenceState& state, bool close, bool more) {
  MutexLock lock(mu_);
  std::erase_if(running_, [&](const auto& running) { return running.get() == &state; });
  state.busy = false;
  if (close || state.cancelled) state.Close();
  if (more && !state.cancelled) {
    gather_.Answered(&state, clock_.Monotonic());
  } else {
    gather_.Left(&state);
  }
  return state.others.value();
}

}  // namespace recycling::verifier
