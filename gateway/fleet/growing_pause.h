#ifndef RECYCLING_GATEWAY_FLEET_GROWING_PAUSE_H_
#define RECYCLING_GATEWAY_FLEET_GROWING_PAUSE_H_

#include <algorithm>

#include "absl/time/time.h"

namespace recycling::gateway {

// The pause after a failure that follows `before` (0 or more) failures in a row: `first`, doubled
// `before` times, but at most `longest`.
inline absl::Duration GrowingPause(absl::Duration first, absl::Duration longest, int before) {
  return std::min(longest, first * (1 << std::min(before, 20)));
}

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_GROWING_PAUSE_H_
