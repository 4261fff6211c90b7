#ifndef RECYCLING_GATEWAY_GRPC_GATEWAY_METRICS_H_
#define RECYCLING_GATEWAY_GRPC_GATEWAY_METRICS_H_

#include <cstdint>

#include "common/base/metrics.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::gateway {

// Adds a gateway's statistics as metrics, so that metrics say exactly what GetStats says. Names and
// meanings are listed in deploy/monitoring/README.md. Metrics that other servers have too have the
// same names here.
void AddGatewayMetrics(const v1::GetStatsResponse& stats, MetricSet* metrics);

// Adds how often peers of each role were ejected. Peers that have left count too; GetStats no
// longer shows those.
void AddEjections(std::uint64_t verifiers, std::uint64_t drafters, MetricSet* metrics);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GATEWAY_METRICS_H_
