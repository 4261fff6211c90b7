#include "gateway/front/gateway_totals.h"

namespace recycling::gateway {

void RequestDurations::Add(const DecodeOutcome& outcome) {
  const Timings& timings = outcome.timings;
  queue.Add(timings.queue);
  if (outcome.completion_tokens > 0) time_to_first_token.Add(timings.time_to_first_token);
  if (!outcome.status.ok()) return;
  prefill.Add(timings.prefill);
  decode.Add(timings.decode);
  total.Add(timings.total);
}

void GatewayTotals::Begin() {
  MutexLock lock(mutex_);
  ++totals_.running;
}

void GatewayTotals::Refuse() {
  MutexLock lock(mutex_);
  ++totals_.failed;
}

void GatewayTotals::CountNotAllowed(const absl::Status& why) {
  MutexLock lock(mutex_);
  if (absl::IsUnauthenticated(why)) ++totals_.unauthenticated;
  if (absl::IsPermissionDenied(why)) ++totals_.not_permitted;
}

void GatewayTotals::CountSteps(const SpeculationStats& steps) {
  MutexLock lock(mutex_);
  totals_.speculation.Add(steps);
}

void GatewayTotals::CountTimes(const StepTimes& times) {
  MutexLock lock(mutex_);
  totals_.timings.Add(times);
}

void GatewayTotals::End(const DecodeOutcome& outcome, std::uint64_t prompt_tokens) {
  MutexLock lock(mutex_);
  --totals_.running;
  if (outcome.status.ok()) {
    ++totals_.succeeded;
    ++totals_.finishes[static_cast<std::size_t>(outcome.finish.reason)];
  } else {
    ++totals_.failed;
    ++totals_.failures[static_cast<std::size_t>(outcome.status.code())];
  }
  totals_.prompt_tokens += prompt_tokens;
  totals_.speculation.TakeBack(outcome.counted);
  totals_.speculation.Add(outcome.speculation);
  totals_.timings.AddAllButSteps(outcome.timings);
  totals_.steps.Add(outcome.steps);
  totals_.requests.Add(outcome);
}

Totals GatewayTotals::Snapshot() const {
  MutexLock lock(mutex_);
  Totals totals = totals_;
  totals.completion_tokens = shown_.load(std::memory_order_relaxed);
  return totals;
}

}  // namespace recycling::gateway
