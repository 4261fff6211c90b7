// The --metrics flags of the services.
#ifndef RECYCLING_COMMON_PROGRAM_METRICS_FLAGS_H_
#define RECYCLING_COMMON_PROGRAM_METRICS_FLAGS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/net/metrics_server.h"

namespace recycling {

// Serves `sources`, and what is known of the process (process_metrics.h), as the flags say; null if
// they ask for none. Errors of MetricsServer::Start; Unavailable if the port file cannot be
// written. What the sources refer to must outlive the server.
absl::StatusOr<std::unique_ptr<MetricsServer>> StartMetrics(const std::string& service,
                                                            std::vector<MetricSource> sources);

}  // namespace recycling

#endif  // RECYCLING_COMMON_PROGRAM_METRICS_FLAGS_H_
