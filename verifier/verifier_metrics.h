#ifndef RECYCLING_VERIFIER_VERIFIER_METRICS_H_
#define RECYCLING_VERIFIER_VERIFIER_METRICS_H_

#include "common/metrics.h"
#include "verifier/kv_cache.h"
#include "verifier/scheduler.h"

namespace recycling::verifier {

// Names and meanings are listed in deploy/monitoring/README.md.
void AddVerifierMetrics(const Scheduler& scheduler, const KvCache& cache, MetricSet* metrics);

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_VERIFIER_METRICS_H_
