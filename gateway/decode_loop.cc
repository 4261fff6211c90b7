#include "gateway/decode_loop.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "gateway/step_prices.h"
#include "gateway/verifier_answers.h"

namespace recycling::gateway {
namespace {

// While the guard pauses, this many plain steps are told to the drafter in one message: a message a
// step would cost what the pause is to save.
constexpr std::size_t kHeldRows = 32;

// All rows were accepted: what is verified next continues the last one.
bool IsChain(const Observation& observation) {
  return observation.accepted_path.size() == observation.tokens.size();
}

// Of a step with a draft, before one was measured.
constexpr absl::Duration kUsualOverhead = absl::Microseconds(300);

EmissionRules RulesOf(const DecodeRequest& request, const VerifierInfo& info) {
  return {
      .max_tokens = request.max_tokens,
      .eos_token_ids = request.sampling.ignore_eos ? std::vector<TokenId>() : info.eos_token_ids,
      .stop_token_ids = request.sampling.stop_token_ids,
      .stop = request.stop};
}

}  // namespace

DecodeLoop::DecodeLoop(DecodeRequest request, DecodeParts parts)
    : request_(std::move(request)),
      parts_(std::move(parts)),
      emission_(RulesOf(request_, parts_.verifier->info()), parts_.token_bytes),
      session_(parts_.verifier->NewSession(request_.deadline, request_.origin)) {
  if (request_.speculation == Speculation::kOff) return;
  kind_ = absl::StrCat(request_.tenant, "\n", parts_.verifier->address());
  drafting_.emplace(DraftingOptions{.tenant = request_.tenant,
                                    .scope = request_.scope,
                                    .draft_deadline = parts_.draft_deadline,
                                    .deadline = request_.deadline,
                                    .vocab_size = parts_.verifier->info().model.vocab_size,
                                    .origin = request_.origin},
                    parts_.drafters, parts_.clock);
  if (request_.speculation == Speculation::kAuto) guard_ = parts_.ledger.guard(kind_);
}

DecodeOutcome DecodeLoop::Run(const std::function<void(OutputDelta)>& show) {
  absl::Status status = Open();
  step_begin_ = parts_.clock.Monotonic();
  if (status.ok()) AskForDraft();
  while (status.ok() && !emission_.finish().has_value()) status = Step(show);
  CloseSession();
  DecodeOutcome outcome = Summary(std::move(status));
  if (observation_.has_value()) {
    drafting_->Ask({.step = step_, .observation = std::exchange(observation_, std::nullopt)});
  }
  if (guard_.has_value()) parts_.ledger.KeepGuard(kind_, *guard_);
  drafting_.reset();
  return outcome;
}

void DecodeLoop::Cancel() {
  MutexLock lock(session_mutex_);
  if (session_ != nullptr) session_->Cancel();
}

void DecodeLoop::CloseSession() {
  std::unique_ptr<VerifierSession> closing;  // destroyed after the lock is gone: closing may wait
  MutexLock lock(session_mutex_);
  closing = std::move(session_);
}

absl::Status DecodeLoop::Open() {
  const absl::Duration begin = parts_.clock.Monotonic();
  const OpenSequence open{.prompt_ids = request_.prompt_ids,
                          .generated_ids = {},
                          .sampling = request_.sampling,
                          .learn_last = drafting_.has_value() ? request_.learn_last : 0,
                          .want_candidates = drafting_.has_value()};
  ASSIGN_OR_RETURN(SequenceOpened opened, session_->Open(open));
  RETURN_IF_ERROR(CheckOpened(open, opened));
  timings_.prefill = parts_.clock.Monotonic() - begin;
  cached_prompt_tokens_ = opened.cached_tokens;
  pass_costs_ = std::move(opened.pass_costs);
  base_ = opened.base;
  root_ = request_.prompt_ids.back();
  if (drafting_.has_value() && !opened.prompt_candidates.ids.empty()) {
    const auto rows = opened.prompt_candidates.ids.size() / opened.prompt_candidates.k;
    const auto end = request_.prompt_ids.end() - 1;
    drafting_->LearnPrompt({.tokens = {end - static_cast<std::ptrdiff_t>(rows), end},
                            .candidates = std::move(opened.prompt_candidates),
                            .accepted_path = {}});
  }
  return absl::OkStatus();
}

absl::Status DecodeLoop::Step(const std::function<void(OutputDelta)>& show) {
  const absl::Duration begin = parts_.clock.Monotonic();
  Drafting::Draft draft = drafting_.has_value() ? drafting_->Take() : Drafting::Draft();
  const VerifyStep ask{.step = step_, .base = base_, .tree = std::move(draft.tree)};

  const absl::Duration drafted_at = parts_.clock.Monotonic();
  auto answered = session_->Verify(ask);
  const absl::Duration verified_at = parts_.clock.Monotonic();
  RETURN_IF_ERROR(answered.status());
  StepVerified& verified = *answered;
  RETURN_IF_ERROR(CheckVerified(ask, verified, parts_.verifier->info().model.vocab_size,
                                request_.sampling.top_logprobs.has_value()));
  if (records_.empty()) timings_.time_to_first_token = verified_at - request_.arrived;

  const std::uint32_t taken_before = emission_.taken();
  OutputDelta delta = emission_.Add(verified.tokens, verified.logprobs);
  const bool drafted = ask.tree.has_value() && !verified.draft_ignored;
  records_.push_back({.tokens = emission_.taken() - taken_before,
                      .drafted = drafted ? static_cast<std::uint32_t>(ask.tree->drafted()) : 0,
                      .accepted = static_cast<std::uint32_t>(verified.accepted_nodes.size()),
                      .fallback = verified.draft_ignored ? FallbackReason::kStale : draft.fallback,
                      .paused = paused_});

  if (drafting_.has_value()) Learn(ask, &verified);
  ++step_;
  base_ += static_cast<std::uint32_t>(verified.tokens.size());
  root_ = verified.tokens.back();

  StepTimes times{.step = {},
                  .waited = draft.waited,
                  .draft = asking_ + (drafted_at - begin),
                  .draft_inside = draft.inside,
                  .verify = verified_at - drafted_at,
                  .verify_forward = verified.forward,
                  .verify_inside = std::min(verified.inside, verified_at - drafted_at)};
  if (times.draft_inside > times.draft) times.draft_inside = times.draft;
  if (!emission_.finish().has_value()) {
    EndStep(times, verified);
    AskForDraft();
    if (!delta.empty()) show(std::move(delta));
  } else {
    if (!delta.empty()) show(std::move(delta));
    EndStep(times, verified);
  }
  return absl::OkStatus();
}

void DecodeLoop::EndStep(StepTimes times, const StepVerified& verified) {
  const absl::Duration end = parts_.clock.Monotonic();
  times.step = end - std::exchange(step_begin_, end);
  timings_.Add(times);
  durations_.Add(times);
  if (drafting_.has_value()) JudgeStep(times, verified);
}

// Waiting for other sequences' passes is no cost of this one's trees, and left out.
void DecodeLoop::JudgeStep(const StepTimes& times, const StepVerified& verified) {
  if (!verified.pass_costs.empty()) pass_costs_ = verified.pass_costs;
  const absl::Duration plain_overhead =
      std::max(absl::ZeroDuration(), times.overhead() - times.draft);
  // The first step of a request opens streams.
  if (records_.size() > 1) {
    std::optional<absl::Duration> drafted;
    if (times.draft_inside.has_value()) drafted = times.overhead();
    parts_.ledger.RecordOverhead(kind_, plain_overhead, drafted);
  }
  if (!guard_.has_value()) return;
  const absl::Duration took =
      std::max(absl::ZeroDuration(), times.step - std::min(verified.queue, times.verify));
  if (times.waited && !pass_costs_.empty()) {
    const absl::Duration plain =
        PassCostAt(pass_costs_, 1) + parts_.ledger.overhead(kind_).plain.value_or(plain_overhead);
    guard_->Asked(static_cast<int>(records_.back().tokens), took, plain);
  } else if (paused_) {
    guard_->Paused(took);
  }
}

void DecodeLoop::AskForDraft() {
  asking_ = absl::ZeroDuration();
  if (!drafting_.has_value()) return;
  const int max_nodes = std::min(request_.node_budget, parts_.verifier->info().max_tree_nodes);
  constexpr std::uint32_t kDeepest = std::numeric_limits<int>::max();
  const int max_depth = static_cast<int>(std::min(emission_.allowed() - 1, kDeepest));
  const bool could_ask = max_nodes > 0 && max_depth > 0;
  paused_ = could_ask && guard_.has_value() && !guard_->asks();
  if (paused_ && observation_.has_value() && IsChain(*observation_) &&
      observation_->tokens.size() < kHeldRows) {
    return;
  }
  DraftStep step{.step = step_,
                 .prompt = std::nullopt,
                 .observation = std::exchange(observation_, std::nullopt),
                 .proposal = std::nullopt};
  if (could_ask && !paused_) {
    step.proposal = Proposal{.base = base_,
                             .root = root_,
                             .max_nodes = max_nodes,
                             .max_depth = max_depth,
                             .step_costs = Prices(max_nodes)};
  }
  const absl::Duration begin = parts_.clock.Monotonic();
  drafting_->Ask(std::move(step));
  asking_ = parts_.clock.Monotonic() - begin;
}

std::vector<StepCost> DecodeLoop::Prices(int max_nodes) {
  if (!guard_.has_value()) return {};
  const absl::Duration overhead = parts_.ledger.overhead(kind_).drafted.value_or(kUsualOverhead);
  return PriceSteps(pass_costs_, overhead, max_nodes);
}

void DecodeLoop::Learn(const VerifyStep& asked, StepVerified* verified) {
  if (verified->candidates.ids.empty()) return;
  const bool plain = !asked.tree.has_value() || verified->draft_ignored;
  if (observation_.has_value() && observation_->candidates.k == verified->candidates.k) {
    // A chain that was held back; this plain step continues it.
    observation_->accepted_path.push_back(static_cast<int>(observation_->tokens.size()));
    observation_->tokens.push_back(root_);
    auto& ids = observation_->candidates.ids;
    ids.insert(ids.end(), verified->candidates.ids.begin(), verified->candidates.ids.end());
    return;
  }
  Observation observation{.tokens = plain ? std::vector<TokenId>{root_} : asked.tree->tokens,
                          .candidates = std::move(verified->candidates),
                          .accepted_path = {0}};
  observation.accepted_path.insert(observation.accepted_path.end(),
                                   verified->accepted_nodes.begin(),
                                   verified->accepted_nodes.end());
  observation_ = std::move(observation);
}

DecodeOutcome DecodeLoop::Summary(absl::Status status) const {
  DecodeOutcome outcome;
  outcome.status = std::move(status);
  if (emission_.finish().has_value()) outcome.finish = *emission_.finish();
  outcome.completion_tokens = emission_.shown();
  outcome.cached_prompt_tokens = cached_prompt_tokens_;
  outcome.timings = timings_;
  outcome.steps = durations_;
  outcome.speculation = Summarize(records_, emission_.shown());
  if (drafting_.has_value()) outcome.drafter = drafting_->drafter();
  return outcome;
}

}  // namespace recycling::gateway
