#ifndef RECYCLING_GATEWAY_FLEET_GROWING_PAUSE_H_
#define RECYCLING_GATEWAY_FLEET_GROWING_PAUSE_H_

#include <algorithm>

#include "absl/time/time.h"

namespace recycling::gateway {

// Returns the pause after a failure: `first`, doubled once for each of the `before` failures in a
// row before it (at least 0), but at most `longest`.
inline absl::Duration GrowingPause(absl::Duration first, absl::Duration longest, int before) {
  return std::min(longest, first * (1 << std::min(before, 20)));
}

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_GROWING_PAUSE_H_
