#ifndef RECYCLING_COMMON_BASE_PROCESS_METRICS_H_
#define RECYCLING_COMMON_BASE_PROCESS_METRICS_H_

#include <cstdint>
#include <string_view>

#include "common/base/metrics.h"

namespace recycling {

// Adds the metrics that Prometheus clients give for every process, under the usual names: CPU time,
// memory, file descriptors, start. Also adds recycling_build_info with the labels service and
// version. Leaves out metrics that the system does not report. Threads: any.
void AddProcessMetrics(std::string_view service, MetricSet* metrics);

// Resident memory in bytes; 0 if the system does not give it. Threads: any.
std::uint64_t ResidentBytes();

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_PROCESS_METRICS_H_
