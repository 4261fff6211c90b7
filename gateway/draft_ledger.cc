#include "gateway/draft_ledger.h"

#include <algorithm>
#include <utility>

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

bool DraftLedger::Ask(const std::string& kind) {
  MutexLock lock(mutex_);
  return shared_[kind].guard.Ask();
}

bool DraftLedger::Pauses(const std::string& kind) {
  MutexLock lock(mutex_);
  return !shared_[kind].guard.asks();
}

void DraftLedger::Asked(const std::string& kind, int tokens, absl::Duration took,
                        absl::Duration plain, double other_tokens) {
  MutexLock lock(mutex_);
  shared_[kind].guard.Asked(tokens, took, plain, other_tokens);
}

void DraftLedger::Unasked(const std::string& kind) {
  MutexLock lock(mutex_);
  shared_[kind].guard.Unasked();
}

void DraftLedger::Paused(const std::string& kind, absl::Duration took, double other_tokens) {
  MutexLock lock(mutex_);
  shared_[kind].guard.Paused(took, other_tokens);
}

bool DraftLedger::Teach(const std::string& kind) {
  MutexLock lock(mutex_);
  return !std::exchange(shared_[kind].taught, true);
}

void DraftLedger::StopTeaching(const std::string& kind) {
  MutexLock lock(mutex_);
  shared_[kind].taught = false;
}

}  // namespace recycling::gateway
