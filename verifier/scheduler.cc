#include "verifier/scheduler.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <numeric>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "verifier/acceptance.h"
#include "verifier/top_k.h"

namespace recycling::verifier {

// While `busy`, everything but `cancelled` belongs to the scheduler's thread, which changes `busy`
// back under the scheduler's lock; otherwise everything is guarded by that lock.
struct SequenceState {
  SequenceState(SamplingRules sampling_rules, std::unique_ptr<KvSequence> slot)
      : rules(std::move(sampling_rules)), kv(std::move(slot)) {}

  std::uint32_t base() const { return static_cast<std::uint32_t>(tokens.size()); }

  TokenHistory history() const {
    const std::span<const TokenId> all = tokens;
    return {all.first(prompt_size), all.subspan(prompt_size), {}};
  }

  const SamplingRules rules;
  std::uint32_t learn_last = 0;
  bool want_candidates = false;
  std::size_t prompt_size = 0;
  std::vector<TokenId> tokens;     // committed: prompt and generated, the root last
  std::unique_ptr<KvSequence> kv;  // null once the slot is given back
  bool ended = false;              // a stop token was emitted
  bool busy = false;
  std::atomic<bool> cancelled = false;
};

// One operation, an open or a verify step.
struct Scheduler::Job {
  std::shared_ptr<SequenceState> state;
  absl::Duration waiting_since;
  StepTimings timings;

  OpenDone open_done;  // null: this is a verify step
  Candidates prompt_candidates;

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
      transformer_(std::move(transformer)) {
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
  auto state = std::make_shared<SequenceState>(std::move(rules), std::move(kv));
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
    job->timings.queue += clock_.Monotonic() - job->waiting_since;
    if (job->open_done != nullptr) {
      RunOpen(std::move(job));
    } else {
      RunVerify(std::move(job));
    }
  }
}

void Scheduler::RunOpen(std::unique_ptr<Job> job) {
  const absl::Status status = PrefillChunk(*job);
  SequenceState& state = *job->state;
  if (status.ok() && state.kv->length() + 1 < state.base()) {
    MutexLock lock(mu_);
    running_ = nullptr;
    Enqueue(std::move(job));
    return;
  }
  Release(state, /*close=*/!status.ok());
  if (!status.ok()) return job->open_done(status);
  job->open_done(OpenResult{.base = state.base(),
                            .prompt_candidates = std::move(job->prompt_candidates),
                            .timings = job->timings});
}

void Scheduler::RunVerify(std::unique_ptr<Job> job) {
  absl::StatusOr<StepResult> result = VerifyTree(*job);
  Release(*job->state, /*close=*/false);
  job->step_done(std::move(result));
}

void Scheduler::Release(SequenceState& state, bool close) {
  MutexLock lock(mu_);
  running_ = nullptr;
  state.busy = false;
  if (close || state.cancelled) state.kv.reset();
}

absl::Status Scheduler::PrefillChunk(Job& job) {
  SequenceState& state = *job.state;
  RETURN_IF_ERROR(CheckNotCancelled(state));
  const std::uint32_t begin = state.kv->length();
  const std::uint32_t end = state.base() - 1;  // the root is not prefilled
  const std::uint32_t rows =
      std::min(end - begin, static_cast<std::uint32_t>(options_.prefill_chunk));
  if (rows == 0) return absl::OkStatus();
  std::vector<int> chain(rows);  // row r follows row r - 1
  std::iota(chain.begin(), chain.end(), 0);
  std::vector<std::int32_t> parents(rows);
  std::iota(parents.begin(), parents.end(), -1);
  const std::uint32_t learn_from = end - std::min(state.learn_last, end);
  const std::span<const int> all = chain;
  const auto skipped = std::clamp(learn_from, begin, begin + rows) - begin;
  const Segment segment = {.kv = state.kv.get(),
                           .tokens = std::span(state.tokens).subspan(begin, rows),
                           .parents = parents,
                           .logit_rows = all.subspan(skipped)};
  RETURN_IF_ERROR(Forward(job, segment));
  RETURN_IF_ERROR(transformer_->Commit(0, chain));
  const absl::Duration start = clock_.Monotonic();
  AppendTopK(static_cast<int>(rows - skipped), job.prompt_candidates);
  job.timings.sample += clock_.Monotonic() - start;
  return absl::OkStatus();
}

absl::StatusOr<StepResult> Scheduler::VerifyTree(Job& job) {
  SequenceState& state = *job.state;
  RETURN_IF_ERROR(CheckNotCancelled(state));
  StepResult result;
  ASSIGN_OR_RETURN(const DraftTree tree, TreeToVerify(state, job.step, &result.draft_ignored));
  std::vector<int> rows(tree.tokens.size());
  std::iota(rows.begin(), rows.end(), 0);
  RETURN_IF_ERROR(Forward(
      job,
      {.kv = state.kv.get(), .tokens = tree.tokens, .parents = tree.parents, .logit_rows = rows}));
  const absl::Duration start = clock_.Monotonic();
  const auto logits = [this](int node) { return transformer_->logits(node); };
  ASSIGN_OR_RETURN(AcceptedPath accepted,
                   AcceptPath(tree, state.history(), state.rules, logits, scratch_));
  std::vector<int> path = {0};
  path.insert(path.end(), accepted.nodes.begin(), accepted.nodes.end());
  RETURN_IF_ERROR(transformer_->Commit(0, path));
  state.tokens.insert(state.tokens.end(), accepted.tokens.begin(), accepted.tokens.end());
  state.ended = accepted.stopped;

  if (state.want_candidates) AppendTopK(tree.size(), result.candidates);
  if (const auto& top = state.rules.options.top_logprobs; top.has_value()) {
    for (std::size_t i = 0; i < path.size(); ++i) {
      result.logprobs.push_back(LogProbabilities(logits(path[i]), accepted.tokens[i], *top));
    }
  }
  result.tokens = std::move(accepted.tokens);
  result.accepted_nodes = std::move(accepted.nodes);
  job.timings.sample = clock_.Monotonic() - start;
  result.timings = job.timings;
  MutexLock lock(mu_);
  row_costs_.Record(tree.size(), job.timings.forward);
  return result;
}

absl::StatusOr<DraftTree> Scheduler::TreeToVerify(const SequenceState& state, VerifyStep& step,
                                                  bool* draft_ignored) const {
  const std::uint32_t base = state.base();
  if (step.base != base) {
    return absl::FailedPreconditionError(
        absl::StrCat("base: got ", step.base, ", expected ", base, ", the committed tokens"));
  }
  if (state.ended) {
    return absl::FailedPreconditionError(absl::StrCat(
        "verify: got a step after token ", state.tokens.back(), " has ended the output"));
  }
  const std::uint32_t context_length = transformer_->context_length();
  if (base >= context_length) {
    return absl::OutOfRangeError(absl::StrCat("context: got ", base,
                                              " tokens, expected less than the context length, ",
                                              context_length, ", to choose another one"));
  }
  DraftTree plain = DraftTree::Root(base, state.tokens.back());
  if (!step.tree.has_value()) return plain;
  if (step.tree->base != base) {
    *draft_ignored = true;
    return plain;
  }
  RETURN_IF_ERROR(ValidateTree(*step.tree, options_.vocab_size, options_.max_tree_nodes));
  if (step.tree->tokens[0] != plain.tokens[0]) {
    return absl::InvalidArgumentError(absl::StrCat("draft tree: got root ", step.tree->tokens[0],
                                                   ", expected the last committed token, ",
                                                   plain.tokens[0]));
  }
  // A node at depth d emits token number base + d + 1 of the sequence.
  const int drafted = step.tree->drafted();
  const auto max_depth = std::min(context_length - base - 1, static_cast<std::uint32_t>(drafted));
  return CutTree(*std::move(step.tree), drafted, static_cast<int>(max_depth));
}

absl::Status Scheduler::Forward(Job& job, const Segment& segment) {
  const absl::Duration start = clock_.Monotonic();
  const absl::Status status = transformer_->Forward({&segment, 1}, &job.state->cancelled);
  job.timings.forward += clock_.Monotonic() - start;
  return status;
}

void Scheduler::AppendTopK(int logit_rows, Candidates& candidates) const {
  if (logit_rows == 0) return;
  candidates.k = options_.k;
  for (int row = 0; row < logit_rows; ++row) {
    candidates.ids.resize(candidates.ids.size() + options_.k);
    TopK(transformer_->logits(row), std::span(candidates.ids).last(options_.k));
  }
}

}  // namespace recycling::verifier
