#include "gateway/gateway_totals.h"

namespace recycling::gateway {

void GatewayTotals::Begin() {
  MutexLock lock(mutex_);
  ++totals_.running;
}

void GatewayTotals::Refuse() {
  MutexLock lock(mutex_);
  ++totals_.failed;
}

void GatewayTotals::End(const DecodeOutcome& outcome, std::uint64_t prompt_tokens) {
  MutexLock lock(mutex_);
  --totals_.running;
  ++(outcome.status.ok() ? totals_.succeeded : totals_.failed);
  totals_.prompt_tokens += prompt_tokens;
  totals_.completion_tokens += outcome.completion_tokens;
  totals_.speculation.Add(outcome.speculation);
  totals_.timings.Add(outcome.timings);
  totals_.steps.Add(outcome.steps);
}

Totals GatewayTotals::Snapshot() const {
  MutexLock lock(mutex_);
  return totals_;
}

}  // namespace recycling::gateway
