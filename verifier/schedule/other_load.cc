#include "verifier/schedule/other_load.h"

#include <algorithm>

namespace recycling::verifier {

void OtherLoadMean::Add(const StepWork& pass, int rows, double tokens, const StepWork& all) {
  constexpr int kCounted = 8;
  // Passes before the first one of the sequence do not count.
  const bool first = passes_ == 0;
  const double between = first ? 0 : all.tokens - pass.tokens - tokens_before_;
  const absl::Duration waited = first ? absl::ZeroDuration() : all.took - pass.took - took_before_;
  tokens_before_ = all.tokens;
  took_before_ = all.took;

  passes_ = std::min(passes_ + 1, kCounted);
  const double weight = 1.0 / passes_;
  mean_.rows += weight * (pass.rows - rows - mean_.rows);
  mean_.tokens += weight * (pass.tokens - tokens + between - mean_.tokens);
  mean_.passes += weight * (std::max(waited, absl::ZeroDuration()) - mean_.passes);
}

}  // namespace recycling::verifier
