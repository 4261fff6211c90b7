// What a gateway is doing, from two of its answers. No I/O.
#ifndef RECYCLING_GATEWAY_CLI_STATS_VIEW_H_
#define RECYCLING_GATEWAY_CLI_STATS_VIEW_H_

#include <string>

#include "absl/status/status.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::cli {

// What happened from `before` to `after`: counts, durations and the uptime are differences; what
// holds at a moment (requests running, peers) is that of `after`. If the gateway has restarted in
// between, everything since its start.
gateway::v1::GetStatsResponse StatsBetween(const gateway::v1::GetStatsResponse& before,
                                           const gateway::v1::GetStatsResponse& after);

// A screen of plain lines, some ten and one for each peer, about that time. What has not happened
// is left out or "-". `address` is the gateway's.
std::string StatsView(const std::string& address, const gateway::v1::GetStatsResponse& before,
                      const gateway::v1::GetStatsResponse& after);

// The same of a gateway that does not answer.
std::string LostView(const std::string& address, const absl::Status& error);

// `view` so that it takes the place of the one before on a terminal.
std::string Redraw(const std::string& view);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_STATS_VIEW_H_
