#include "gateway/draft_ledger.h"

#include <algorithm>

namespace recycling::gateway {

void DraftLedger::Mean::Add(absl::Duration duration) {
  constexpr int kCounted = 32;
  double value = std::max(absl::ToDoubleMicroseconds(duration), 0.0);
  if (count > 0) value = std::min(value, 4 * std::max(micros, 1.0));
  count = std::min(count + 1, kCounted);
  micros += (value - micros) / count;
}

std::optional<absl::Duration> DraftLedger::Mean::value() const {
  if (count == 0) return std::nullopt;
  return absl::Microseconds(micros);
}

DraftLedger::Overhead DraftLedger::overhead(const std::string& kind) {
  MutexLock lock(mutex_);
  const Overheads& overheads = overheads_[kind];
  return {.drafted = overheads.drafted.value(), .plain = overheads.plain.value()};
}

void DraftLedger::RecordOverhead(const std::string& kind, absl::Duration plain,
                                 std::optional<absl::Duration> drafted) {
  MutexLock lock(mutex_);
  Overheads& overheads = overheads_[kind];
  overheads.plain.Add(plain);
  if (drafted.has_value()) overheads.drafted.Add(*drafted);
}

DraftGuard DraftLedger::guard(const std::string& kind) {
  MutexLock lock(mutex_);
  return guards_[kind];
}

void DraftLedger::KeepGuard(const std::string& kind, const DraftGuard& guard) {
  MutexLock lock(mutex_);
  guards_[kind] = guard;
}

}  // namespace recycling::gateway
