#ifndef RECYCLING_VERIFIER_SERVICE_VERIFIER_METRICS_H_
#define RECYCLING_VERIFIER_SERVICE_VERIFIER_METRICS_H_

#include "common/base/metrics.h"
#include "verifier/kv/kv_cache.h"
#include "verifier/schedule/scheduler.h"

namespace recycling::verifier {

// Names and meanings are listed in deploy/monitoring/README.md.
void AddVerifierMetrics(const Scheduler& scheduler, const KvCache& cache, MetricSet* metrics);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_SERVICE_VERIFIER_METRICS_H_
