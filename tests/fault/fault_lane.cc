#include "tests/fault/fault_lane.h"

#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"

namespace recycling::fault {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(1);  // for a drain and for recovery
constexpr absl::Duration kDelay = absl::Milliseconds(5);

const char* const kRoleNames[kRoles] = {"verifier", "drafter", "gateway"};

}  // namespace

FaultLane::FaultLane(Fleet& fleet, std::vector<Role> roles, FaultSchedule schedule,
                     std::uint64_t now)
    : fleet_(fleet), roles_(std::move(roles)), schedule_(std::move(schedule)) {
  fault_ = schedule_.Next();
  due_ = now + fault_.after;
}

absl::Status FaultLane::Step(std::uint64_t now) {
  if (state_ == State::kResting) {
    if (now < due_) return absl::OkStatus();
    Begin();
    due_ = now + fault_.lasts;
    state_ = State::kLasting;
  }
  if (state_ == State::kLasting) {
    if (now < due_) return absl::OkStatus();
    patience_ends_ = absl::Now() + kPatience;
    state_ = State::kEnding;
  }
  if (state_ == State::kEnding) {
    if (fault_.kind == FaultKind::kDrain) {
      const auto exit = member_->process->Wait(absl::ZeroDuration());
      if (!exit.ok()) return Overdue("has not drained");
      if (*exit != 0) {
        return absl::InternalError(absl::StrCat(ForPeople(), ": exit code ", *exit));
      }
    }
    RETURN_IF_ERROR(End());
    patience_ends_ = absl::Now() + kPatience;
    state_ = State::kRecovering;
  }
  if (state_ == State::kRecovering) {
    if (!fleet_.Ready(*member_)) return Overdue("is not ready again");
    ++member_->disturbed;
    member_ = nullptr;
    fault_ = schedule_.Next();
    due_ = now + fault_.after;
    state_ = State::kResting;
  }
  return absl::OkStatus();
}

void FaultLane::Begin() {
  const Role role = roles_[static_cast<std::size_t>(fault_.role)];
  member_ = &fleet_.member(role, fault_.member);
  ++member_->disturbed;
  ++faults_;
  ++counts_[absl::StrCat(FaultName(fault_.kind), " ", kRoleNames[role])];
  FaultProxy& proxy = *member_->proxy;
  switch (fault_.kind) {
    case FaultKind::kKill:
      member_->process->Signal(SIGKILL);
      break;
    case FaultKind::kPause:
    case FaultKind::kPauseThenKill:
      member_->process->Signal(SIGSTOP);
      break;
    case FaultKind::kDrain:
      member_->process->Signal(SIGTERM);
      break;
    case FaultKind::kReset:
      proxy.ResetAll();
      break;
    case FaultKind::kSilence:
    case FaultKind::kSilenceThenReset:
      proxy.SetMode(FaultProxy::Mode::kSilent);
      break;
    case FaultKind::kRefuse:
      proxy.SetMode(FaultProxy::Mode::kRefuse);
      break;
    case FaultKind::kDelay:
      proxy.SetDelay(kDelay);
      break;
    case FaultKind::kHalfClose:
      proxy.HalfCloseAll();
      break;
  }
}

absl::Status FaultLane::End() {
  FaultProxy& proxy = *member_->proxy;
  switch (fault_.kind) {
    case FaultKind::kPauseThenKill:
      member_->process->Signal(SIGKILL);
      return fleet_.Restart(*member_);
    case FaultKind::kKill:
    case FaultKind::kDrain:
      return fleet_.Restart(*member_);
    case FaultKind::kPause:
      member_->process->Signal(SIGCONT);
      break;
    case FaultKind::kSilenceThenReset:
      proxy.ResetAll();
      proxy.SetMode(FaultProxy::Mode::kForward);
      break;
    case FaultKind::kSilence:
    case FaultKind::kRefuse:
      proxy.SetMode(FaultProxy::Mode::kForward);
      break;
    case FaultKind::kDelay:
      proxy.SetDelay(absl::ZeroDuration());
      break;
    case FaultKind::kReset:
    case FaultKind::kHalfClose:
      break;
  }
  return absl::OkStatus();
}

absl::Status FaultLane::Overdue(const char* what) const {
  if (absl::Now() < patience_ends_) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat(ForPeople(), ": ", what, " after ", absl::FormatDuration(kPatience)));
}

std::string FaultLane::ForPeople() const {
  if (member_ == nullptr) return "no fault";
  return absl::StrCat(FaultName(fault_.kind), " of ", member_->name);
}

}  // namespace recycling::fault
