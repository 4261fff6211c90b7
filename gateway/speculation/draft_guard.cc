#include "gateway/speculation/draft_guard.h"

#include <algorithm>

namespace recycling::gateway {

bool DraftGuard::Ask() {
  const bool asks = this->asks();
  if (asks) ++pending_;
  return asks;
}

void DraftGuard::Unasked() { pending_ = std::max(0, pending_ - 1); }

void DraftGuard::Asked(int tokens, absl::Duration took, absl::Duration plain, double other_tokens) {
  Unasked();
  if (plain <= absl::ZeroDuration()) return;  // the duration of a plain step is not known
  if (paused()) return;
  balance_ += (tokens + other_tokens) / (1 + other_tokens) * plain - took;
  balance_ = std::min(balance_, kCredit * plain);
  const absl::Duration stake = kStake * plain;
  if (-balance_ > (probing_ ? std::min(stake, kShare * pause_) : stake)) {
    pause_ = std::max(-balance_ / kShare, std::min(2 * pause_, kLongest));
    pause_left_ = pause_;
    paused_at_ = other_tokens;
    probing_ = true;
    balance_ = absl::ZeroDuration();
  } else if (probing_ && balance_ >= stake) {
    probing_ = false;
    pause_ = absl::ZeroDuration();
  }
}

void DraftGuard::Paused(absl::Duration took, double other_tokens, int running) {
  if (!paused()) return;
  pause_left_ -= took / running;
  if (1 + other_tokens < (1 + paused_at_) / 2) pause_left_ = absl::ZeroDuration();
}

}  // namespace recycling::gateway
