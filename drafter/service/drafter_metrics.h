#ifndef RECYCLING_DRAFTER_SERVICE_DRAFTER_METRICS_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFTER_METRICS_H_

#include "common/base/metrics.h"
#include "drafter/service/drafter_counters.h"
#include "drafter/store/matrix_store.h"

namespace recycling::drafter {

// Adds the drafter's metrics to `metrics`. deploy/monitoring/README.md lists their names and
// meanings. No metric contains the name of a tenant.
void AddDrafterMetrics(const DrafterCounters::Snapshot& counters, std::uint32_t open_sessions,
                       const MatrixStore& store, MetricSet* metrics);

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_METRICS_H_
