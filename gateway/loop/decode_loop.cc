#include "gateway/loop/decode_loop.h"

#include <utility>

#include "common/base/status_macros.h"

namespace recycling::gateway {
namespace {

EmissionRules RulesOf(const DecodeRequest& request, const VerifierInfo& info) {
  // With a constraint, such a token comes only where the text cannot go on.
  const bool ignores = request.sampling.ignore_eos && !request.sampling.constraint.has_value();
  return {.max_tokens = request.max_tokens,
          .eos_token_ids = ignores ? std::vector<TokenId>() : info.eos_token_ids,
          .stop_token_ids = request.sampling.stop_token_ids,
          .stop = request.stop};
}

}  // namespace

DecodeLoop::DecodeLoop(DecodeRequest request, DecodeParts parts)
    : request_(std::move(request)),
      parts_(std::move(parts)),
      policy_(std::in_place,
              DraftWish{.mode = request_.speculation,
                        .node_budget = request_.node_budget,
                        .learns_prompt = request_.learn_last > 0,
                        .scope = request_.scope,
                        .tenant = request_.tenant},
              parts_.ledger),
      emission_(RulesOf(request_, parts_.verifier->info()), parts_.token_bytes),
      sequence_({.open = ToOpen(),
                 .tenant = request_.tenant,
                 .deadline = request_.deadline,
                 .origin = request_.origin},
                parts_.verifier, parts_.moves) {
  const std::uint32_t vocab_size = parts_.verifier->info().model.vocab_size;
  parts_.verifier.reset();
  if (request_.speculation == Speculation::kOff) return;
  drafting_.emplace(DraftingOptions{.tenant = request_.tenant,
                                    .scope = request_.scope,
                                    .draft_deadline = parts_.draft_deadline,
                                    .deadline = request_.deadline,
                                    .vocab_size = vocab_size,
                                    .origin = request_.origin,
                                    .committed = [this] { return sequence_.Committed(); }},
                    parts_.drafters, parts_.clock);
}

OpenSequence DecodeLoop::ToOpen() {
  verifier_ = parts_.verifier->address();
  policy_->Follow(verifier_);
  const bool drafts = request_.speculation != Speculation::kOff;
  return {.prompt_ids = request_.prompt_ids,
          .generated_ids = {},
          .sampling = request_.sampling,
          .learn_last = drafts ? request_.learn_last : 0,
          .want_candidates = policy_->WantsCandidates(),
          .tenant = request_.tenant};
}

DecodeOutcome DecodeLoop::Run(const Show& show) {
  absl::Status status = Open();
  step_begin_ = parts_.clock.Monotonic();
  if (status.ok()) AskForDraft();
  while (status.ok() && !emission_.finish().has_value()) status = Step(show);
  sequence_.Close();
  DecodeOutcome outcome = Summary(std::move(status));
  if (observation_.has_value() && policy_->TellsTheLast()) {
    drafting_->Ask({.step = step_, .observation = std::exchange(observation_, std::nullopt)});
  }
  policy_.reset();
  drafting_.reset();
  return outcome;
}

void DecodeLoop::Cancel() { sequence_.Cancel(); }

absl::Status DecodeLoop::Open() {
  const absl::Duration begin = parts_.clock.Monotonic();
  ASSIGN_OR_RETURN(SequenceOpened opened, sequence_.Open());
  FollowVerifier();
  timings_.prefill = parts_.clock.Monotonic() - begin - sequence_.moving();
  cached_prompt_tokens_ = opened.cached_tokens;
  policy_->Costs(std::move(opened.pass_costs));
  if (drafting_.has_value() && !opened.prompt_candidates.ids.empty()) {
    const auto rows = opened.prompt_candidates.ids.size() / opened.prompt_candidates.k;
    const auto end = request_.prompt_ids.end() - 1;
    drafting_->LearnPrompt({.tokens = {end - static_cast<std::ptrdiff_t>(rows), end},
                            .candidates = std::move(opened.prompt_candidates),
                            .accepted_path = {},
                            .parents = {}});
  }
  return absl::OkStatus();
}

void DecodeLoop::FollowVerifier() {
  const std::string& address = sequence_.verifier().address();
  if (address == verifier_) return;
  verifier_ = address;
  policy_->Follow(verifier_);
}

absl::Status DecodeLoop::Step(const Show& show) {
  // If a peer always answers at once, its stream may never check the deadline. So check it here.
  if (parts_.clock.Now() >= request_.deadline) {
    return absl::DeadlineExceededError("the request's deadline has passed");
  }
  StepTimes times{.step = {}, .draft = asking_};
  const TokenId root = sequence_.root();

  Drafting::Draft draft = TakeDraft(&times);
  ASSIGN_OR_RETURN(StepVerified verified, Verify(&draft.tree, show, &times));
  OutputDelta delta = Accept(draft, root, verified);
  Learn(root, draft.tree, &verified);

  const bool ended = emission_.finish().has_value();
  if (ended && !delta.empty()) ShowAndCount(std::exchange(delta, {}), show);
  EndStep(times, verified);
  if (ended) return absl::OkStatus();
  AskForDraft();
  if (!delta.empty()) unshown_ = std::move(delta);
  return absl::OkStatus();
}

void DecodeLoop::ShowAndCount(OutputDelta delta, const Show& show) {
  show(std::move(delta));
  if (parts_.on_steps) parts_.on_steps(shown_steps_.Count(records_, emission_.shown()));
}

Drafting::Draft DecodeLoop::TakeDraft(StepTimes* times) {
  if (!drafting_.has_value()) return {};
  const absl::Duration begin = parts_.clock.Monotonic();
  Drafting::Draft draft = drafting_->Take();
  times->draft += parts_.clock.Monotonic() - begin;
  times->waited = draft.waited;
  times->draft_inside = draft.inside;
  return draft;
}

absl::StatusOr<StepVerified> DecodeLoop::Verify(std::optional<DraftTree>* tree, const Show& show,
                                                StepTimes* times) {
  const absl::Duration begin = parts_.clock.Monotonic();
  const absl::Duration moving_before = sequence_.moving();
  auto verified = sequence_.Verify(tree, [&] {
    if (auto delta = std::exchange(unshown_, std::nullopt)) ShowAndCount(*std::move(delta), show);
  });
  const absl::Duration end = parts_.clock.Monotonic();
  RETURN_IF_ERROR(verified.status());
  FollowVerifier();
  if (records_.empty()) timings_.time_to_first_token = end - request_.arrived;
  times->moved = sequence_.moving() - moving_before;
  times->verify = end - begin - times->moved;
  times->verify_inside = verified->inside;
  times->verify_forward = verified->forward;
  times->BoundWhatPeersSay();
  return verified;
}

OutputDelta DecodeLoop::Accept(const Drafting::Draft& draft, TokenId root,
                               const StepVerified& verified) {
  const std::uint32_t taken_before = emission_.taken();
  OutputDelta delta = emission_.Add(verified.tokens, verified.logprobs);
  StepRecord record{.tokens = emission_.taken() - taken_before,
                    .accepted = static_cast<std::uint32_t>(verified.accepted_nodes.size()),
                    .fallback = draft.fallback,
                    .paused = policy_->paused()};
  if (verified.draft_ignored) {
    record.fallback = FallbackReason::kStale;
  } else if (draft.tree.has_value()) {
    record.drafted =
        static_cast<std::uint32_t>(verified.verified_nodes.value_or(draft.tree->drafted()));
    record.sources = CountSources(*draft.tree, record.drafted, verified.accepted_nodes);
  }
  if (request_.trace) {
    const int nodes = static_cast<int>(record.drafted);
    delta.trace = Trace(
        nodes == 0 ? DraftTree::Root(verified.base, root) : CutTree(*draft.tree, nodes, nodes),
        verified);
  }
  records_.push_back(record);
  ++step_;
  return delta;
}

StepTrace DecodeLoop::Trace(DraftTree tree, const StepVerified& verified) const {
  StepTrace trace{.tree = std::move(tree),
                  .accepted_nodes = verified.accepted_nodes,
                  .next = verified.tokens.back(),
                  .pieces = {}};
  for (const TokenId token : trace.tree.tokens) trace.pieces.push_back(parts_.token_bytes(token));
  trace.pieces.push_back(parts_.token_bytes(trace.next));
  return trace;
}

void DecodeLoop::EndStep(StepTimes times, const StepVerified& verified) {
  const absl::Duration end = parts_.clock.Monotonic();
  times.step = end - std::exchange(step_begin_, end) - times.moved;
  timings_.Add(times);
  if (parts_.on_step_times) parts_.on_step_times(times);
  durations_.Add(times);
  if (!drafting_.has_value()) return;
  policy_->Judge({.step = times.step,
                  .overhead = times.overhead(),
                  .draft = times.draft,
                  .verify = times.verify,
                  .queue = verified.queue,
                  .waited = times.waited,
                  .draft_came = times.draft_inside.has_value(),
                  .opened_streams = records_.size() == 1,
                  .moved = times.moved > absl::ZeroDuration(),
                  .tokens = static_cast<int>(records_.back().tokens),
                  .drafted = static_cast<int>(records_.back().drafted)},
                 verified.pass_costs, verified.others);
}

void DecodeLoop::AskForDraft() {
  asking_ = absl::ZeroDuration();
  if (!drafting_.has_value()) return;
  StepPlan plan =
      policy_->Plan(sequence_.verifier().info().max_tree_nodes, emission_.allowed(), observation_);
  if (plan.telling == Telling::kHold) return;
  if (plan.telling == Telling::kDrop) observation_.reset();
  DraftStep step{.step = step_,
                 .prompt = std::nullopt,
                 .observation = std::exchange(observation_, std::nullopt),
                 .proposal = std::nullopt};
  if (plan.ask) {
    step.proposal = Proposal{.base = sequence_.base(),
                             .root = sequence_.root(),
                             .max_nodes = plan.limits.nodes,
                             .max_depth = plan.limits.depth,
                             .step_costs = std::move(plan.prices),
                             .other_tokens = plan.other_tokens};
  }
  const absl::Duration begin = parts_.clock.Monotonic();
  drafting_->Ask(std::move(step));
  asking_ = parts_.clock.Monotonic() - begin;
}

void DecodeLoop::Learn(TokenId root, const std::optional<DraftTree>& asked,
                       StepVerified* verified) {
  if (!drafting_.has_value() || verified->candidates.ids.empty()) return;
  const bool plain = !asked.has_value() || verified->draft_ignored;
  if (observation_.has_value() && observation_->candidates.k == verified->candidates.k) {
    // The observation is a chain of plain steps that was held back. This step adds one row to it.
    observation_->parents.push_back(static_cast<int>(observation_->tokens.size()) - 1);
    observation_->accepted_path.push_back(static_cast<int>(observation_->tokens.size()));
    observation_->tokens.push_back(root);
    auto& ids = observation_->candidates.ids;
    ids.insert(ids.end(), verified->candidates.ids.begin(), verified->candidates.ids.end());
    return;
  }
  Observation observation{.tokens = plain ? std::vector<TokenId>{root} : asked->tokens,
                          .candidates = std::move(verified->candidates),
                          .accepted_path = {0},
                          .parents = plain ? std::vector<int>{-1} : asked->parents};
  if (!plain && verified->verified_nodes.has_value()) {
    observation.tokens.resize(static_cast<std::size_t>(*verified->verified_nodes) + 1);
    observation.parents.resize(observation.tokens.size());
  }
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
  outcome.counted = shown_steps_.counted();
  outcome.speculation.moves = sequence_.moves();
  outcome.speculation.retries = sequence_.retries();
  outcome.speculation.moving = sequence_.moving();
  outcome.speculation.row_cost = policy_->row_cost();
  outcome.speculation.plain_step = policy_->plain_step();
  if (drafting_.has_value()) outcome.drafter = drafting_->drafter();
  outcome.verifier = sequence_.verifier().address();
  return outcome;
}

}  // namespace recycling::gateway
