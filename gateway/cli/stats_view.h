// Shows what a gateway did between two of its answers to GetStats. No I/O.
#ifndef RECYCLING_GATEWAY_CLI_STATS_VIEW_H_
#define RECYCLING_GATEWAY_CLI_STATS_VIEW_H_

#include <string>

#include "absl/status/status.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::cli {

// Returns the statistics of the time from `before` to `after`. The uptime, and the counts and
// durations that StatsView shows, are differences. The other fields are those of `after` or absent.
// If the gateway restarted in between, returns `after`: everything since the restart.
gateway::v1::GetStatsResponse StatsBetween(const gateway::v1::GetStatsResponse& before,
                                           const gateway::v1::GetStatsResponse& after);

// Returns about ten lines of text about that time, and one line for each peer. Values without data
// are left out or shown as "-". `address` is the gateway's.
std::string StatsView(const std::string& address, const gateway::v1::GetStatsResponse& before,
                      const gateway::v1::GetStatsResponse& after);

// Returns the line for a gateway that does not answer, with the reason.
std::string LostView(const std::string& address, const absl::Status& error);

// Returns `view` with the control characters that let it replace the previous view on a terminal.
std::string Redraw(const std::string& view);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_STATS_VIEW_H_
