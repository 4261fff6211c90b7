// Formats statistics as text.
#ifndef RECYCLING_GATEWAY_CLI_STATISTICS_TEXT_H_
#define RECYCLING_GATEWAY_CLI_STATISTICS_TEXT_H_

#include <string>

#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::cli {

// "eos", "stop_string", "stop_token", "length", or "unknown".
std::string FinishReasonName(gateway::v1::FinishReason reason);

// "unavailable", "timeout", "stale", "malformed", "error", "mismatch", or "unknown".
std::string FallbackReasonName(gateway::v1::FallbackReason reason);

// "queue_full", "queue_timeout", "rate", "draining", "deadline", "cancelled", "unauthenticated",
// "permission", "slow_reader", or "unknown".
std::string RefusalReasonName(gateway::v1::RefusalReason reason);

// "3 unavailable, 1 timeout", or "none".
std::string FallbacksText(const gateway::v1::SpeculationStats& speculation);

// The five lines or more that follow a generated text.
std::string FinalText(const gateway::v1::Final& final);

// The table of a gateway's totals and peers.
std::string StatsText(const gateway::v1::GetStatsResponse& stats);

}  // namespace recycling::cli

#endif  // RECYCLING_GATEWAY_CLI_STATISTICS_TEXT_H_
