#ifndef RECYCLING_GATEWAY_GRPC_GATEWAY_METRICS_H_
#define RECYCLING_GATEWAY_GRPC_GATEWAY_METRICS_H_

#include <cstdint>

#include "common/base/metrics.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::gateway {

// Adds the statistics of GetStats as metrics. So metrics and GetStats always show the same numbers.
// deploy/monitoring/README.md lists the names and meanings. If vLLM has a metric with the same
// meaning, it has the same name here, apart from the prefix.
void AddGatewayMetrics(const v1::GetStatsResponse& stats, MetricSet* metrics);

// Adds the number of ejections of verifiers and of drafters. They include ejections of peers that
// have left; GetStats does not show those peers.
void AddEjections(std::uint64_t verifiers, std::uint64_t drafters, MetricSet* metrics);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GATEWAY_METRICS_H_
