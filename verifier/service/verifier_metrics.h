#ifndef RECYCLING_VERIFIER_SERVICE_VERIFIER_METRICS_H_
#define RECYCLING_VERIFIER_SERVICE_VERIFIER_METRICS_H_

#include "common/base/metrics.h"
#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {

// Adds the metrics that deploy/monitoring/README.md lists.
void AddVerifierMetrics(const Scheduler& scheduler, MetricSet* metrics);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_METRICS_H_
