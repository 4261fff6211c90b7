#include "gateway/loop/decode_loop.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "gateway/speculation/step_prices.h"

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
      guarded_(request_.speculation == Speculation::kAuto),
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
                                    .origin = request_.origin},
                    parts_.drafters, parts_.clock);
}

// What is opened in a pause and does not teach needs no candidates. It goes without them, and so
// without drafts, for good.
OpenSequence DecodeLoop::ToOpen() {
  Follow(parts_.verifier->address());
  const bool drafts = request_.speculation != Speculation::kOff;
  learns_ = drafts && (!guarded_ || !place_->paused() || request_.learn_last > 0 || MayTeach());
  return {.prompt_ids = request_.prompt_ids,
          .generated_ids = {},
          .sampling = request_.sampling,
          .learn_last = drafts ? request_.learn_last : 0,
          .want_candidates = learns_,
          .tenant = request_.tenant};
}

DecodeOutcome DecodeLoop::Run(const std::function<void(OutputDelta)>& show) {
  absl::Status status = Open();
  step_begin_ = parts_.clock.Monotonic();
  if (status.ok()) AskForDraft();
  while (status.ok() && !emission_.finish().has_value()) status = Step(show);
  sequence_.Close();
  DecodeOutcome outcome = Summary(std::move(status));
  if (observation_.has_value() && (!resting_ || MayTeach())) {
    drafting_->Ask({.step = step_, .observation = std::exchange(observation_, std::nullopt)});
  }
  place_.reset();
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
  pass_costs_ = std::move(opened.pass_costs);
  if (drafting_.has_value() && !opened.prompt_candidates.ids.empty()) {
    const auto rows = opened.prompt_candidates.ids.size() / opened.prompt_candidates.k;
    const auto end = request_.prompt_ids.end() - 1;
    drafting_->LearnPrompt({.tokens = {end - static_cast<std::ptrdiff_t>(rows), end},
                            .candidates = std::move(opened.prompt_candidates),
                            .accepted_path = {}});
  }
  return absl::OkStatus();
}

void DecodeLoop::FollowVerifier() {
  const std::string& address = sequence_.verifier().address();
  if (address != verifier_) Follow(address);
}

// What is known of a verifier is not known of another one.
void DecodeLoop::Follow(const std::string& address) {
  verifier_ = address;
  pass_costs_.clear();
  others_ = {};
  if (request_.speculation == Speculation::kOff) return;
  const std::string kind =
      absl::StrCat(request_.tenant, "\n", address, "\n", static_cast<int>(request_.scope));
  place_.emplace(parts_.ledger.Kind(kind), guarded_);
}

absl::Status DecodeLoop::Step(const std::function<void(OutputDelta)>& show) {
  // A peer that always answers at once leaves its stream no moment to notice the deadline.
  if (parts_.clock.Now() >= request_.deadline) {
    return absl::DeadlineExceededError("the request's deadline has passed");
  }
  const absl::Duration begin = parts_.clock.Monotonic();
  Drafting::Draft draft = drafting_.has_value() ? drafting_->Take() : Drafting::Draft();

  const absl::Duration drafted_at = parts_.clock.Monotonic();
  const absl::Duration moving_before = sequence_.moving();
  const TokenId root = sequence_.root();
  auto answered = sequence_.Verify(&draft.tree, [&] {
    if (auto delta = std::exchange(unshown_, std::nullopt)) show(*std::move(delta));
  });
  const absl::Duration verified_at = parts_.clock.Monotonic();
  RETURN_IF_ERROR(answered.status());
  StepVerified& verified = *answered;
  const absl::Duration moved = sequence_.moving() - moving_before;
  FollowVerifier();
  if (records_.empty()) timings_.time_to_first_token = verified_at - request_.arrived;

  const std::uint32_t taken_before = emission_.taken();
  OutputDelta delta = emission_.Add(verified.tokens, verified.logprobs);
  const bool drafted = draft.tree.has_value() && !verified.draft_ignored;
  records_.push_back({.tokens = emission_.taken() - taken_before,
                      .drafted = drafted
                                     ? static_cast<std::uint32_t>(
                                           verified.verified_nodes.value_or(draft.tree->drafted()))
                                     : 0,
                      .accepted = static_cast<std::uint32_t>(verified.accepted_nodes.size()),
                      .fallback = verified.draft_ignored ? FallbackReason::kStale : draft.fallback,
                      .paused = paused_});

  if (drafting_.has_value()) Learn(root, draft.tree, &verified);
  ++step_;

  step_begin_ += moved;
  StepTimes times{.step = {},
                  .waited = draft.waited,
                  .moved = moved,
                  .draft = asking_ + (drafted_at - begin),
                  .draft_inside = draft.inside,
                  .verify = verified_at - drafted_at - moved,
                  .verify_inside = verified.inside,
                  .verify_forward = verified.forward};
  times.BoundWhatPeersSay();
  if (!emission_.finish().has_value()) {
    EndStep(times, verified);
    AskForDraft();
    if (!delta.empty()) unshown_ = std::move(delta);
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

void DecodeLoop::JudgeStep(const StepTimes& times, const StepVerified& verified) {
  if (!verified.pass_costs.empty()) pass_costs_ = verified.pass_costs;
  others_ = verified.others;
  const absl::Duration plain_overhead =
      std::max(absl::ZeroDuration(), times.overhead() - times.draft);
  // The first step of a request opens streams, and so does one that moved.
  const bool usual = records_.size() > 1 && times.moved == absl::ZeroDuration();
  if (usual) {
    std::optional<absl::Duration> drafted;
    if (times.draft_inside.has_value()) drafted = times.overhead();
    place_->RecordOverhead(plain_overhead, drafted);
  }
  if (guarded_ && times.moved == absl::ZeroDuration()) {
    JudgeDrafting(times, verified, plain_overhead);
  }
}

void DecodeLoop::JudgeDrafting(const StepTimes& times, const StepVerified& verified,
                               absl::Duration plain_overhead) {
  const StepOverhead overhead = place_->overhead();
  const absl::Duration plain_beyond = overhead.plain.value_or(plain_overhead);
  absl::Duration took = times.step;
  absl::Duration plain;
  if (others_.tokens > 0) {
    // Others' rows make the pass what it is: only what the draft adds is this step's doing.
    const absl::Duration added =
        DraftCost(pass_costs_, others_, static_cast<int>(records_.back().drafted)) +
        std::max(absl::ZeroDuration(), overhead.drafted.value_or(plain_beyond) - plain_beyond);
    plain = std::max(took - added, took / 8);
  } else {
    // Waiting for other sequences' passes is no cost of this one's trees, and left out.
    took = std::max(absl::ZeroDuration(), took - std::min(verified.queue, times.verify));
    plain = PassCostAt(pass_costs_, 1) + plain_beyond;
  }
  if (times.waited && !pass_costs_.empty()) {
    place_->Asked(static_cast<int>(records_.back().tokens), took, plain, others_.tokens);
  } else if (paused_) {
    place_->Paused(took, others_.tokens);
  }
}

// In a pause. What a matrix of its own learns no other request can teach it.
bool DecodeLoop::MayTeach() { return request_.scope == MatrixScope::kRequest || place_->Teach(); }

void DecodeLoop::AskForDraft() {
  asking_ = absl::ZeroDuration();
  if (!drafting_.has_value()) return;
  const int max_nodes = std::min(request_.node_budget, sequence_.verifier().info().max_tree_nodes);
  constexpr std::uint32_t kDeepest = std::numeric_limits<int>::max();
  const int max_depth = static_cast<int>(std::min(emission_.allowed() - 1, kDeepest));
  const bool could_ask = max_nodes > 0 && max_depth > 0;
  paused_ = could_ask && guarded_ && !(learns_ && place_->Ask());
  if (could_ask) resting_ = paused_;
  if (resting_ && observation_.has_value()) {
    if (IsChain(*observation_) && observation_->tokens.size() < kHeldRows) return;
    if (!MayTeach()) observation_.reset();
  }
  DraftStep step{.step = step_,
                 .prompt = std::nullopt,
                 .observation = std::exchange(observation_, std::nullopt),
                 .proposal = std::nullopt};
  if (could_ask && !paused_) {
    step.proposal = Proposal{.base = sequence_.base(),
                             .root = sequence_.root(),
                             .max_nodes = max_nodes,
                             .max_depth = max_depth,
                             .step_costs = Prices(max_nodes),
                             .other_tokens = others_.tokens};
  }
  const absl::Duration begin = parts_.clock.Monotonic();
  drafting_->Ask(std::move(step));
  asking_ = parts_.clock.Monotonic() - begin;
}

std::vector<StepCost> DecodeLoop::Prices(int max_nodes) {
  if (!guarded_) return {};
  const absl::Duration overhead = place_->overhead().drafted.value_or(kUsualOverhead);
  return PriceSteps(pass_costs_, overhead, others_, max_nodes);
}

void DecodeLoop::Learn(TokenId root, const std::optional<DraftTree>& asked,
                       StepVerified* verified) {
  if (verified->candidates.ids.empty()) return;
  const bool plain = !asked.has_value() || verified->draft_ignored;
  if (observation_.has_value() && observation_->candidates.k == verified->candidates.k) {
    // A chain that was held back; this plain step continues it.
    observation_->accepted_path.push_back(static_cast<int>(observation_->tokens.size()));
    observation_->tokens.push_back(root);
    auto& ids = observation_->candidates.ids;
    ids.insert(ids.end(), verified->candidates.ids.begin(), verified->candidates.ids.end());
    return;
  }
  Observation observation{.tokens = plain ? std::vector<TokenId>{root} : asked->tokens,
                          .candidates = std::move(verified->candidates),
                          .accepted_path = {0}};
  if (!plain && verified->verified_nodes.has_value()) {
    observation.tokens.resize(static_cast<std::size_t>(*verified->verified_nodes) + 1);
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
  outcome.speculation.moves = sequence_.moves();
  outcome.speculation.retries = sequence_.retries();
  outcome.speculation.moving = sequence_.moving();
  outcome.speculation.row_cost = RowCost(pass_costs_, others_);
  if (drafting_.has_value()) outcome.drafter = drafting_->drafter();
  outcome.verifier = sequence_.verifier().address();
  return outcome;
}

}  // namespace recycling::gateway
