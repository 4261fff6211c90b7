// The --metrics flags of the services.
#ifndef RECYCLING_COMMON_PROGRAM_METRICS_FLAGS_H_
#define RECYCLING_COMMON_PROGRAM_METRICS_FLAGS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/metrics_server.h"
#include "common/program/flag_group.h"

namespace recycling {

FlagGroup MetricsFlags();

// Serves `sources` and the metrics of the process (process_metrics.h) on --metrics_listen, and logs
// the bound address. Null without that flag. Errors as MetricsServer::Start. Objects that the
// sources refer to must outlive the server.
absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetrics(const std::string& service,
                                                            std::vector<MetricSource> sources);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_METRICS_FLAGS_H_
