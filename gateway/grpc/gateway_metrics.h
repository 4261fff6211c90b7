#ifndef RECYCLING_GATEWAY_GRPC_GATEWAY_METRICS_H_
#define RECYCLING_GATEWAY_GRPC_GATEWAY_METRICS_H_

#include <cstdint>

#include "common/base/metrics.h"
#include "recycling/gateway/v1/gateway.pb.h"

namespace recycling::gateway {

// A gateway's statistics as metrics, which so say exactly what GetStats says. Names and meanings
// are listed in deploy/monitoring/README.md; those that other servers have too are named as there.
void AddGatewayMetrics(const v1::GetStatsResponse& stats, MetricSet* metrics);

// Times that peers of each role were ejected, those that have left included, of whom GetStats says
// nothing any more.
void AddEjections(std::uint64_t verifiers, std::uint64_t drafters, MetricSet* metrics);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GRPC_GATEWAY_METRICS_H_
