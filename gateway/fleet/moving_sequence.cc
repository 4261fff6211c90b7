#include "gateway/fleet/moving_sequence.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/retry_delay.h"
#include "common/base/status_macros.h"
#include "gateway/clients/verifier_answers.h"
#include "gateway/fleet/growing_pause.h"
#include "gateway/fleet/served_model.h"

namespace recycling::gateway {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestPause = absl::Seconds(2);
// The search ends this long before the deadline. That is too short for a prefill, but enough to
// return an error that says why.
constexpr absl::Duration kReserve = absl::Milliseconds(100);

bool IsRequestsOwn(const absl::Status& error) {
  return absl::IsInvalidArgument(error) || absl::IsOutOfRange(error) ||
         absl::IsDeadlineExceeded(error);
}

}  // namespace

MovingSequence::MovingSequence(SequenceRequest request, std::shared_ptr<VerifierClient> first,
                               MoveParts parts)
    : parts_(std::move(parts)),
      tenant_(std::move(request.tenant)),
      deadline_(request.deadline),
      origin_(std::move(request.origin)),
      like_(first->info()),
      open_(std::move(request.open)),
      verifier_(std::move(first)) {}

std::uint32_t MovingSequence::base() const {
  return static_cast<std::uint32_t>(open_.prompt_ids.size() + open_.generated_ids.size());
}

TokenId MovingSequence::root() const {
  return open_.generated_ids.empty() ? open_.prompt_ids.back() : open_.generated_ids.back();
}

std::vector<TokenId> MovingSequence::Committed() const {
  std::vector<TokenId> tokens = open_.prompt_ids;
  tokens.insert(tokens.end(), open_.generated_ids.begin(), open_.generated_ids.end());
  return tokens;
}

absl::StatusOr<SequenceOpened> MovingSequence::Open() {
  auto opened = OpenAt(verifier_);
  if (opened.ok()) return opened;
  return Reopen(opened.status());
}

absl::StatusOr<StepVerified> MovingSequence::Verify(std::optional<DraftTree>* tree,
                                                    absl::FunctionRef<void()> meanwhile) {
  LeaveIfAsked();
  auto verified = VerifyHere(tree, meanwhile);
  while (!verified.ok()) {
    RETURN_IF_ERROR(Reopen(verified.status()).status());
    verified = VerifyHere(tree, meanwhile);
  }
  open_.generated_ids.insert(open_.generated_ids.end(), verified->tokens.begin(),
                             verified->tokens.end());
  lost_in_a_row_ = tries_ = 0;
  failed_.clear();
  return verified;
}

absl::StatusOr<StepVerified> MovingSequence::VerifyHere(std::optional<DraftTree>* tree,
                                                        absl::FunctionRef<void()> meanwhile) {
  const VerifierInfo& info = verifier_->info();
  if (tree->has_value() && (*tree)->drafted() > info.max_tree_nodes) tree->reset();
  VerifyStep ask{.step = step_, .base = base(), .tree = std::move(*tree)};
  auto verified = session_->VerifyWhile(ask, meanwhile);
  absl::Status status = verified.status();
  if (status.ok()) {
    status = CheckVerified(ask, *verified, info.model.vocab_size,
                           open_.sampling.top_logprobs.has_value());
  }
  *tree = std::move(ask.tree);
  RETURN_IF_ERROR(status);
  ++step_;
  return verified;
}

void MovingSequence::Close() { CloseSession(&session_); }

void MovingSequence::CloseSession(std::unique_ptr<VerifierSession>* session) {
  std::unique_ptr<VerifierSession> closing;  // destroyed after the lock, because that may wait
  MutexLock lock(session_mutex_);
  closing = std::move(*session);
}

void MovingSequence::Cancel() {
  cancelled_ = true;
  {
    MutexLock lock(session_mutex_);
    if (session_ != nullptr) session_->Cancel();
    if (next_ != nullptr) next_->Cancel();
  }
  parts_.verifiers.Wake();
}

absl::Status MovingSequence::CancelledHere() const {
  return cancelled_ ? absl::CancelledError("the request was cancelled") : absl::OkStatus();
}

absl::StatusOr<SequenceOpened> MovingSequence::OpenAt(
    const std::shared_ptr<VerifierClient>& client) {
  const absl::Duration since = parts_.clock.Monotonic();
  {
    auto session = client->NewSession(deadline_, origin_);
    MutexLock lock(session_mutex_);
    if (cancelled_) return CancelledHere();
    next_ = std::move(session);
  }
  auto opened = next_->Open(open_);
  absl::Status status = opened.status();
  if (status.ok()) status = CheckOpened(open_, *opened);
  if (!status.ok()) {
    CloseSession(&next_);
    if (!cancelled_ && !IsRequestsOwn(status)) {
      parts_.verifiers.Report(client->address(), status, since);
    }
    return status;
  }
  parts_.verifiers.Report(client->address(), absl::OkStatus(), since);
  {
    std::unique_ptr<VerifierSession> left;  // destroyed after the lock, as in CloseSession
    MutexLock lock(session_mutex_);
    left = std::exchange(session_, std::move(next_));
  }
  if (verifier_ != client) verifier_ = client;
  step_ = 0;
  since_ = since;
  open_.learn_last = 0;  // the first verifier has sent the prompt's candidates
  leave_pause_ = absl::ZeroDuration();
  leave_at_ = absl::ZeroDuration();
  return opened;
}

absl::StatusOr<SequenceOpened> MovingSequence::Reopen(absl::Status error) {
  const absl::Duration begin = parts_.clock.Monotonic();
  const bool had_session = session_ != nullptr;
  if (had_session) {
    if (!cancelled_ && !IsRequestsOwn(error)) {
      parts_.verifiers.Report(verifier_->address(), error, since_);
    }
    CloseSession(&session_);
  }
  absl::StatusOr<SequenceOpened> opened = error;
  std::string where = verifier_->address();
  while (!opened.ok()) {
    if (cancelled_) return CancelledHere();
    RETURN_IF_ERROR(Judge(opened.status()));
    failed_.push_back(std::move(where));
    ++tries_;
    auto next = FindNext(opened.status());
    if (!next.ok()) return next.status();
    ++retries_;
    where = (*next)->address();
    opened = OpenAt(*next);
  }
  if (had_session) ++moves_;
  moving_ += parts_.clock.Monotonic() - begin;
  return opened;
}

absl::Status MovingSequence::Judge(const absl::Status& error) {
  if (IsRequestsOwn(error)) return error;
  if (absl::IsResourceExhausted(error)) return absl::OkStatus();
  ++lost_;
  if (++lost_in_a_row_ <= parts_.rules.max_moves && lost_ <= kMostMoves) return absl::OkStatus();
  const auto code =
      absl::IsInternal(error) ? absl::StatusCode::kInternal : absl::StatusCode::kUnavailable;
  const bool in_a_row = lost_in_a_row_ > parts_.rules.max_moves;
  return absl::Status(
      code, absl::StrCat("the sequence does not move again: it lost ",
                         in_a_row ? lost_in_a_row_ : lost_, " verifiers",
                         in_a_row ? " in a row without a token" : "", "; ", error.message()));
}

absl::Status MovingSequence::Pause(absl::Duration pause, absl::Duration until) {
  const absl::Duration resume = std::min(parts_.clock.Monotonic() + pause, until);
  while (!cancelled_) {
    const absl::Duration left = resume - parts_.clock.Monotonic();
    if (left <= absl::ZeroDuration()) break;
    parts_.verifiers.Await(left, cancelled_);
  }
  return CancelledHere();
}

absl::StatusOr<std::shared_ptr<VerifierClient>> MovingSequence::PickOther(
    std::vector<std::string> avoid) {
  while (true) {
    ASSIGN_OR_RETURN(
        auto picked,
        parts_.verifiers.Pick({.tenant = tenant_, .prompt = open_.prompt_ids, .avoid = avoid}));
    if (CheckSameVerifier(picked->info(), like_).ok()) return picked;
    avoid.push_back(picked->address());
  }
}

absl::Duration MovingSequence::LongestSearch() const {
  if (deadline_ == absl::InfiniteFuture()) return parts_.rules.patience;
  return std::max(absl::ZeroDuration(), deadline_ - parts_.clock.Now() - kReserve);
}

absl::StatusOr<std::shared_ptr<VerifierClient>> MovingSequence::FindNext(
    const absl::Status& error) {
  if (absl::IsResourceExhausted(error) && open_.generated_ids.empty()) return FindRoom(error);
  const absl::Duration begin = parts_.clock.Monotonic();
  const absl::Duration until = begin + LongestSearch();
  if (tries_ > 1)
    RETURN_IF_ERROR(Pause(GrowingPause(kFirstPause, kLongestPause, tries_ - 2), until));
  absl::Status why = error;
  bool paid = false;
  while (true) {
    paid = paid || parts_.budget.Take(parts_.clock.Monotonic());
    if (paid) {
      auto picked = PickOther(failed_);
      if (!picked.ok()) {
        // There is no other verifier, so try those where it failed before. Pick returns only ready
        // ones.
        failed_.clear();
        picked = PickOther(failed_);
      }
      if (picked.ok()) return picked;
      why = picked.status();
    } else {
      why = absl::UnavailableError("the retry budget of this gateway is used up");
    }
    const absl::Duration left = until - parts_.clock.Monotonic();
    if (left <= absl::ZeroDuration()) break;
    parts_.verifiers.Await(std::min(left, kLongestAwait), cancelled_);
    RETURN_IF_ERROR(CancelledHere());
  }
  return absl::UnavailableError(absl::StrCat(
      "no verifier took the sequence over within ", absl::FormatDuration(until - begin), ": ",
      why.message(), "; the last error was: ", error.message()));
}

// Tries each verifier once, then all of them again after growing pauses. A full verifier has not
// failed, so this takes nothing from the retry budget.
absl::StatusOr<std::shared_ptr<VerifierClient>> MovingSequence::FindRoom(
    const absl::Status& error) {
  const absl::Duration now = parts_.clock.Monotonic();
  if (!full_since_.has_value()) full_since_ = now;
  auto picked = PickOther(failed_);
  if (picked.ok()) return picked;
  const absl::Duration until =
      std::min(now + LongestSearch(), *full_since_ + parts_.rules.room_patience);
  if (now >= until) return WithRetryDelay(error, kLongestPause);
  RETURN_IF_ERROR(Pause(GrowingPause(kFirstPause, kLongestPause, full_rounds_++), until));
  failed_.clear();
  picked = PickOther(failed_);
  return picked.ok() ? picked : WithRetryDelay(error, kLongestPause);
}

void MovingSequence::LeaveIfAsked() {
  if (!verifier_->leaving()) return;
  const absl::Duration begin = parts_.clock.Monotonic();
  if (begin < leave_at_) return;
  leave_pause_ = std::clamp(leave_pause_ * 2, kFirstPause, kLongestPause);
  leave_at_ = begin + leave_pause_;
  auto next = PickOther({verifier_->address()});
  if (!next.ok() || (*next)->leaving() || !parts_.budget.Take(begin)) return;
  ++retries_;
  if (OpenAt(*next).ok()) ++moves_;
  moving_ += parts_.clock.Monotonic() - begin;
}

}  // namespace recycling::gateway
