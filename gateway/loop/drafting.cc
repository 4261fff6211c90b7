#include "gateway/loop/drafting.h"

#include <algorithm>
#include <utility>

namespace recycling::gateway {
namespace {

constexpr int kMostSkipped = 31;

FallbackReason ReasonOf(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return FallbackReason::kTimeout;
    case absl::StatusCode::kUnavailable:
      return FallbackReason::kUnavailable;
    case absl::StatusCode::kFailedPrecondition:
      return FallbackReason::kMismatch;
    default:
      return FallbackReason::kError;
  }
}

}  // namespace

void Drafting::Ask(DraftStep step) {
  asked_.reset();
  missing_.reset();
  const std::optional<Proposal> wanted = step.proposal;
  if (!wanted && !prompt_ && !step.observation) return;
  const bool skips = skip_ > 0;
  if (skips) {
    --skip_;
    step.proposal.reset();
    if (wanted) missing_ = last_failure_;
  } else if (const auto missing = EnsureSession(); missing.has_value()) {
    if (wanted) missing_ = missing;
    return;
  }
  asked_step_ = step.step;
  asked_ = step.proposal;
  if (session_ == nullptr) return;
  step.prompt = std::exchange(prompt_, std::nullopt);
  session_->Send(std::move(step));
}

Drafting::Draft Drafting::Take() {
  const auto missing = std::exchange(missing_, std::nullopt);
  const auto asked = std::exchange(asked_, std::nullopt);
  if (!asked) return {.tree = {}, .fallback = missing, .waited = false, .inside = {}};
  const absl::Duration left = options_.deadline - clock_.Now();
  auto answer = session_->Receive(asked_step_, std::min(options_.draft_deadline, left));
  if (!answer.ok() && left < options_.draft_deadline) {
    // The request's own deadline has ended the wait, so the drafter is not to blame.
    session_.reset();
    drafter_.reset();
    return Fail(ReasonOf(answer.status()), std::nullopt);
  }
  Draft draft = Judge(std::move(answer), *asked);
  draft.waited = true;
  return draft;
}

std::optional<FallbackReason> Drafting::EnsureSession() {
  if (session_ != nullptr) return std::nullopt;
  auto picked = directory_.Pick(options_.tenant, options_.scope);
  // Pick is cheap, so every step tries it, without back-off.
  if (!picked.ok()) return ReasonOf(picked.status());
  drafter_ = *std::move(picked);
  session_ = drafter_->NewSession(
      {.tenant = options_.tenant, .scope = options_.scope, .committed = options_.committed()},
      options_.deadline, options_.origin);
  return std::nullopt;
}

Drafting::Draft Drafting::Judge(absl::StatusOr<DraftAnswer> answer, const Proposal& proposal) {
  if (!answer.ok()) {
    if (absl::IsDeadlineExceeded(answer.status())) {
      Blame(answer.status());
    } else {
      Drop(answer.status());
    }
    return Fail(ReasonOf(answer.status()), std::nullopt);
  }
  DraftTree& tree = answer->tree;
  if (const absl::Status valid = ValidateTree(tree, options_.vocab_size, proposal.max_nodes);
      !valid.ok()) {
    Blame(valid);
    return Fail(FallbackReason::kMalformed, answer->inside);
  }
  if (tree.base != proposal.base || tree.tokens[0] != proposal.root) {
    Blame(absl::InvalidArgumentError("got a tree for another base or root"));
    return Fail(FallbackReason::kStale, answer->inside);
  }
  // The tree is in breadth-first order, so no node is deeper than the last one.
  if (NodeDepths(tree).back() > proposal.max_depth) {
    Blame(absl::InvalidArgumentError("got a tree that is deeper than max_depth"));
    return Fail(FallbackReason::kMalformed, answer->inside);
  }
  failures_ = 0;
  directory_.Judge(drafter_->address(), absl::OkStatus());
  Draft draft;
  draft.inside = answer->inside;
  if (tree.drafted() > 0) draft.tree = std::move(tree);
  return draft;
}

Drafting::Draft Drafting::Fail(FallbackReason reason, std::optional<absl::Duration> inside) {
  last_failure_ = reason;
  skip_ = failures_ < 5 ? (1 << failures_) - 1 : kMostSkipped;
  ++failures_;
  return {.tree = std::nullopt, .fallback = reason, .waited = true, .inside = inside};
}

void Drafting::Blame(const absl::Status& answer) {
  if (directory_.Judge(drafter_->address(), answer)) return;
  session_.reset();
  drafter_.reset();
}

void Drafting::Drop(const absl::Status& error) {
  session_.reset();
  directory_.Report(drafter_->address(), error);
  drafter_.reset();
}

}  // namespace recycling::gateway
