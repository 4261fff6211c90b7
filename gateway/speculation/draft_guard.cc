#include "gateway/speculation/draft_guard.h"

#include <algorithm>

namespace recycling::gateway {

bool DraftGuard::Ask() {
  const bool asks = this->asks();
  if (asks) ++pending_;
  return asks;
}

void DraftGuard::Unasked() { pending_ = std::max(0, pending_ - 1); }

void DraftGuard::Asked(int tokens, absl::Duration took, absl::Duration plain, double other_tokens,
                       int running) {
  Unasked();
  if (plain <= absl::ZeroDuration()) return;  // the duration of a plain step is not known
  if (paused()) return;
  ++steps_;
  won_ += (tokens + other_tokens) / (1 + other_tokens) * plain - took;
  const absl::Duration allowance = probing_ ? kShare * pause_ : kFirstLoss * plain;
  if (steps_ >= (probing_ ? kProbe : kWindow * running) || -won_ > allowance) {
    EndWindow(plain, other_tokens);
  }
}

void DraftGuard::Paused(absl::Duration took, double other_tokens, int running) {
  if (!paused()) return;
  pause_left_ -= took / running;
  if (1 + other_tokens < (1 + paused_at_) / 2) pause_left_ = absl::ZeroDuration();
}

void DraftGuard::EndWindow(absl::Duration plain, double other_tokens) {
  if (won_ >= absl::ZeroDuration()) {
    probing_ = false;
    pause_ = absl::ZeroDuration();
    won_ = std::min(won_, kCredit * plain);
  } else {
    probing_ = true;
    pause_ = std::max(-won_ / kShare, std::min(2 * pause_, kLongest));
    pause_left_ = pause_;
    paused_at_ = other_tokens;
    won_ = absl::ZeroDuration();
  }
  steps_ = 0;
}

}  // namespace recycling::gateway
