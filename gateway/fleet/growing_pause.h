#ifndef RECYCLING_GATEWAY_FLEET_GROWING_PAUSE_H_
#define RECYCLING_GATEWAY_FLEET_GROWING_PAUSE_H_

#include <algorithm>

#include "absl/time/time.h"

namespace recycling::gateway {

// Returns the pause after one of several failures in a row. It is `first` after the first failure,
// and doubles with each further one, up to `longest`. `before` is the number of failures in the row
// before this one, at least 0.
inline absl::Duration GrowingPause(absl::Duration first, absl::Duration longest, int before) {
  return std::min(longest, first * (1 << std::min(before, 20)));
}

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_GROWING_PAUSE_H_
