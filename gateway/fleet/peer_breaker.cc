#include "gateway/fleet/peer_breaker.h"

#include <algorithm>

namespace recycling::gateway {

bool PeerBreaker::admits(absl::Duration now) const {
  if (!open_until_.has_value()) return true;
  if (now < *open_until_) return false;
  return !probe_until_.has_value() || now >= *probe_until_;
}

void PeerBreaker::Begin(absl::Duration now) {
  if (open_until_.has_value() && now >= *open_until_) probe_until_ = now + time_;
}

void PeerBreaker::Note(bool failed) {
  outcomes_.push_back(failed);
  if (outcomes_.size() > static_cast<std::size_t>(options_.window)) outcomes_.pop_front();
}

void PeerBreaker::Succeeded(absl::Duration now) {
  in_a_row_ = 0;
  Note(false);
  if (!open_until_.has_value() || now < *open_until_) return;
  open_until_.reset();
  probe_until_.reset();
  outcomes_.clear();
  closed_at_ = now;
}

void PeerBreaker::Failed(absl::Duration since, absl::Duration now) {
  if (since <= failed_at_) return;
  failed_at_ = now;
  ++failures_;
  ++in_a_row_;
  Note(true);
  if (open_until_.has_value()) {
    if (now >= *open_until_) Open(now);
    return;
  }
  const auto failed = std::count(outcomes_.begin(), outcomes_.end(), true);
  const bool full = outcomes_.size() == static_cast<std::size_t>(options_.window);
  const bool often = full && static_cast<double>(failed) >= options_.failure_rate * options_.window;
  if (in_a_row_ >= options_.in_a_row || often) Open(now);
}

void PeerBreaker::Open(absl::Duration now) {
  if (!open_until_.has_value() && now - closed_at_ >= options_.longest) {
    time_ = absl::ZeroDuration();
  }
  time_ = std::clamp(time_ * 2, options_.first, options_.longest);
  open_until_ = now + time_;
  probe_until_.reset();
  in_a_row_ = 0;
  outcomes_.clear();
  ++ejections_;
}

}  // namespace recycling::gateway
