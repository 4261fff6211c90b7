#include "tests/fault/fault_schedule.h"

#include <utility>

namespace recycling::fault {

const char* FaultName(FaultKind kind) {
  switch (kind) {
    case FaultKind::kKill:
      return "kill";
    case FaultKind::kPause:
      return "pause";
    case FaultKind::kPauseThenKill:
      return "pause+kill";
    case FaultKind::kDrain:
      return "drain";
    case FaultKind::kReset:
      return "reset";
    case FaultKind::kSilence:
      return "silence";
    case FaultKind::kSilenceThenReset:
      return "silence+reset";
    case FaultKind::kRefuse:
      return "refuse";
    case FaultKind::kDelay:
      return "delay";
    case FaultKind::kHalfClose:
      return "half-close";
  }
  return "?";
}

bool EndsProcess(FaultKind kind) {
  return kind == FaultKind::kKill || kind == FaultKind::kPauseThenKill || kind == FaultKind::kDrain;
}

FaultSchedule::FaultSchedule(FaultScheduleOptions options)
    : options_(std::move(options)), random_(options_.seed) {
  for (std::size_t role = 0; role < options_.members.size(); ++role) {
    for (std::size_t kind = 0; kind < kFaultKinds; ++kind) {
      const auto fault = static_cast<FaultKind>(kind);
      if (options_.members[role] < (EndsProcess(fault) ? 2 : 1)) continue;
      deck_.push_back({.kind = fault, .role = static_cast<int>(role)});
    }
  }
  dealt_ = deck_.size();
}

Fault FaultSchedule::Next() {
  if (dealt_ == deck_.size()) {
    for (std::size_t left = deck_.size(); left > 1; --left) {
      std::swap(deck_[left - 1], deck_[random_() % left]);
    }
    dealt_ = 0;
  }
  Fault fault = deck_[dealt_++];
  const auto members =
      static_cast<std::uint64_t>(options_.members[static_cast<std::size_t>(fault.role)]);
  fault.member = static_cast<int>(EndsProcess(fault.kind) ? 1 + random_() % (members - 1)
                                                          : random_() % members);
  fault.after = UpTo(options_.longest_pause);
  fault.lasts = UpTo(options_.longest_fault);
  return fault;
}

}  // namespace recycling::fault
