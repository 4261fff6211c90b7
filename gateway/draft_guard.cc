#include "gateway/draft_guard.h"

#include <algorithm>

namespace recycling::gateway {

void DraftGuard::Asked(int tokens, absl::Duration took, absl::Duration plain) {
  if (plain <= absl::ZeroDuration()) return;  // not known what a plain step takes
  ++steps_;
  won_ += tokens * plain - took;
  const absl::Duration allowance = probing_ ? kShare * pause_ : kFirstLoss * plain;
  if (steps_ >= (probing_ ? kProbe : kWindow) || -won_ > allowance) EndWindow();
}

void DraftGuard::EndWindow() {
  if (won_ >= absl::ZeroDuration()) {
    probing_ = false;
    pause_ = absl::ZeroDuration();
  } else {
    probing_ = true;
    pause_ = std::max(-won_ / kShare, std::min(2 * pause_, kLongest));
    pause_left_ = pause_;
  }
  steps_ = 0;
  won_ = absl::ZeroDuration();
}

}  // namespace recycling::gateway
