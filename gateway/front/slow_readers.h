// Decides which clients read too slowly. A pure function: it takes the unread outputs and returns
// the calls to cancel.
#ifndef RECYCLING_GATEWAY_FRONT_SLOW_READERS_H_
#define RECYCLING_GATEWAY_FRONT_SLOW_READERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace recycling::gateway {

struct ReaderLimits {
  // Longest time that a message may be unread, and longest time from the end of an output until all
  // of it is read; above 0. A client without a fault pauses for less time. The default is below
  // a minute, because many proxies cut connections that are idle for a minute.
  absl::Duration timeout = absl::Seconds(30);
  // Most outputs that have ended and are not read to the end. The default allows several for each
  // request that may run.
  int max_outputs = 256;
  std::uint64_t max_bytes = 256ull << 20;            // of all unread messages together
  std::uint64_t max_connection_bytes = 32ull << 20;  // of the unread messages of one connection
};

// The unread messages of one stream. Times are Clock::Monotonic().
struct UnreadOutput {
  std::uint64_t bytes = 0;  // 0: all is read
  absl::Duration since;     // since when the first of them waits, if any
  bool ended = false;       // nothing more comes
  absl::Duration end;       // when, if it has ended
  std::string connection;   // equal for all outputs of one connection
};

// Returns the indices of the outputs to cancel at `now`. The first ones have exceeded the timeout.
// Then come outputs that count towards an exceeded bound, until no bound is exceeded. Of these, the
// output whose first message has waited longest comes first. Only outputs that ended a second ago
// or earlier count towards max_outputs, because many may end at once, and only the outputs of one
// connection towards max_connection_bytes.
std::vector<std::size_t> SlowReaders(std::span<const UnreadOutput> outputs,
                                     const ReaderLimits& limits, absl::Duration now);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_SLOW_READERS_H_
