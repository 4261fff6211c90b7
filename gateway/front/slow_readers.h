// Decides which clients read too slowly. Pure: what waits to be read in, which calls to cancel out.
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
  // Longest time that one message may wait to be taken, and longest time from the end of an output
  // until all of it is taken; above 0. A client that lives pauses for less, and proxies cut
  // connections that are idle for a minute.
  absl::Duration timeout = absl::Seconds(30);
  // Outputs that have ended and are not read to the end: several for each request that may run.
  int max_outputs = 256;
  std::uint64_t max_bytes = 256ull << 20;            // of all messages that wait together
  std::uint64_t max_connection_bytes = 32ull << 20;  // of those that wait on one connection
};

// One stream's messages that wait to be taken. Times are Clock::Monotonic().
struct UnreadOutput {
  std::uint64_t bytes = 0;  // 0: nothing waits
  absl::Duration since;     // the first message waits since then; if any
  bool ended = false;       // nothing more comes
  absl::Duration end;       // when, if it has ended
  std::string connection;   // equal for all outputs of one connection
};

// Indices of the outputs to cancel at `now`: first those that have exceeded the timeout; then, as
// long as a bound is exceeded, those whose first message has waited longest (for max_outputs, of
// those that have ended; for max_connection_bytes, of those on that connection).
std::vector<std::size_t> SlowReaders(std::span<const UnreadOutput> outputs,
                                     const ReaderLimits& limits, absl::Duration now);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_SLOW_READERS_H_
