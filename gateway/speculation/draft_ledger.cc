#include "gateway/speculation/draft_ledger.h"

#include <algorithm>

namespace recycling::gateway {

void DraftKind::Mean::Add(absl::Duration duration) {
  constexpr int kCounted = 32;
  double value = std::max(absl::ToDoubleMicroseconds(duration), 0.0);
  if (count > 0) value = std::min(value, 4 * std::max(micros, 1.0));
  count = std::min(count + 1, kCounted);
  micros += (value - micros) / count;
}

std::optional<absl::Duration> DraftKind::Mean::value() const {
  if (count == 0) return std::nullopt;
  return absl::Microseconds(micros);
}

DraftPlace::DraftPlace(std::shared_ptr<DraftKind> kind, bool guarded)
    : kind_(std::move(kind)), guarded_(guarded) {
  MutexLock lock(kind_->mutex_);
  if (guarded_) ++kind_->running_;
}

DraftPlace::~DraftPlace() {
  MutexLock lock(kind_->mutex_);
  TellNothing();
  if (guarded_) --kind_->running_;
  if (teaches_) kind_->taught_ = false;
}

StepOverhead DraftPlace::overhead() const {
  MutexLock lock(kind_->mutex_);
  return {.drafted = kind_->drafted_overhead_.value(), .plain = kind_->plain_overhead_.value()};
}

void DraftPlace::RecordOverhead(absl::Duration plain, std::optional<absl::Duration> drafted) {
  MutexLock lock(kind_->mutex_);
  kind_->plain_overhead_.Add(plain);
  if (drafted.has_value()) kind_->drafted_overhead_.Add(*drafted);
}

bool DraftPlace::paused() const {
  MutexLock lock(kind_->mutex_);
  return kind_->guard_.paused();
}

bool DraftPlace::Ask() {
  MutexLock lock(kind_->mutex_);
  TellNothing();
  asked_ = kind_->guard_.Ask();
  return asked_;
}

void DraftPlace::Asked(int tokens, absl::Duration took, absl::Duration plain, double other_tokens) {
  if (!std::exchange(asked_, false)) return;
  MutexLock lock(kind_->mutex_);
  kind_->guard_.Asked(tokens, took, plain, other_tokens);
}

void DraftPlace::Paused(absl::Duration took, double other_tokens) {
  MutexLock lock(kind_->mutex_);
  kind_->paused_step_.Add(took);
  kind_->guard_.Paused(took, other_tokens, kind_->running_);
}

bool DraftPlace::Teach() {
  MutexLock lock(kind_->mutex_);
  if (teaches_) return true;
  const double step_seconds = kind_->paused_step_.micros / 1e6;
  if (kind_->running_ <= DraftKind::kLearnFreely * step_seconds) return true;
  teaches_ = !std::exchange(kind_->taught_, true);
  return teaches_;
}

void DraftPlace::TellNothing() {
  if (std::exchange(asked_, false)) kind_->guard_.Unasked();
}

std::shared_ptr<DraftKind> DraftLedger::Kind(const std::string& name) {
  MutexLock lock(mutex_);
  if (const auto found = places_.find(name); found != places_.end()) {
    kinds_.splice(kinds_.begin(), kinds_, found->second);
    return kinds_.front().second;
  }
  if (kinds_.size() >= capacity_) {
    places_.erase(kinds_.back().first);
    kinds_.pop_back();
  }
  kinds_.emplace_front(name, std::make_shared<DraftKind>());
  places_[name] = kinds_.begin();
  return kinds_.front().second;
}

}  // namespace recycling::gateway
