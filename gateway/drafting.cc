#include "gateway/drafting.h"

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

Drafting::Draft Drafting::Next(DraftStep step) {
  const std::optional<Proposal> wanted = step.proposal;
  if (!wanted && !prompt_ && !step.observation) return {};
  const bool skips = skip_ > 0;
  if (skips) {
    --skip_;
    step.proposal.reset();
  } else if (const auto missing = EnsureSession(); missing.has_value()) {
    return {.tree = std::nullopt, .fallback = wanted ? missing : std::nullopt};
  }
  const std::uint64_t number = step.step;
  if (session_ != nullptr) {
    step.prompt = std::exchange(prompt_, std::nullopt);
    session_->Send(std::move(step));
  }
  if (!wanted) return {};
  if (skips) return {.tree = std::nullopt, .fallback = last_failure_};
  const absl::Duration left = options_.deadline - clock_.Now();
  return Judge(session_->Receive(number, std::min(options_.draft_deadline, left)), *wanted);
}

std::optional<FallbackReason> Drafting::EnsureSession() {
  if (session_ != nullptr) return std::nullopt;
  auto picked = directory_.Pick(options_.tenant);
  // Asking the directory costs nothing, so it is asked at every step.
  if (!picked.ok()) return ReasonOf(picked.status());
  drafter_ = *std::move(picked);
  session_ = drafter_->NewSession(options_.tenant, options_.scope, options_.deadline);
  return std::nullopt;
}

Drafting::Draft Drafting::Judge(absl::StatusOr<DraftTree> answer, const Proposal& proposal) {
  if (!answer.ok()) {
    if (!absl::IsDeadlineExceeded(answer.status())) Drop(answer.status());
    return Fail(ReasonOf(answer.status()));
  }
  if (!ValidateTree(*answer, options_.vocab_size, proposal.max_nodes).ok()) {
    return Fail(FallbackReason::kMalformed);
  }
  if (answer->base != proposal.base || answer->tokens[0] != proposal.root) {
    return Fail(FallbackReason::kStale);
  }
  // Breadth-first order: the last node is one of the deepest.
  if (NodeDepths(*answer).back() > proposal.max_depth) return Fail(FallbackReason::kMalformed);
  failures_ = 0;
  Draft draft;
  if (answer->drafted() > 0) draft.tree = *std::move(answer);
  return draft;
}

Drafting::Draft Drafting::Fail(FallbackReason reason) {
  last_failure_ = reason;
  skip_ = failures_ < 5 ? (1 << failures_) - 1 : kMostSkipped;
  ++failures_;
  return {.tree = std::nullopt, .fallback = reason};
}

void Drafting::Drop(const absl::Status& error) {
  session_.reset();
  directory_.Report(drafter_->address(), error);
  drafter_.reset();
}

}  // namespace recycling::gateway
