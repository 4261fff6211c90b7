#ifndef RECYCLING_COMMON_BASE_PROCESS_METRICS_H_
#define RECYCLING_COMMON_BASE_PROCESS_METRICS_H_

#include <cstdint>
#include <string_view>

#include "common/base/metrics.h"

namespace recycling {

// What Prometheus clients say of every process, under their names: CPU time, memory, file
// descriptors, start; and recycling_build_info with the labels service and version. What the system
// does not tell is left out. Threads: any.
void AddProcessMetrics(std::string_view service, MetricSet* metrics);

// Memory resident, bytes; 0 if the system does not tell. Threads: any.
std::uint64_t ResidentBytes();

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_PROCESS_METRICS_H_
