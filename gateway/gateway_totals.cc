#include "gateway/gateway_totals.h"

#include "absl/strings/str_cat.h"

namespace recycling::gateway {

absl::Status GatewayTotals::Begin(int max_requests) {
  MutexLock lock(mutex_);
  if (totals_.running >= max_requests) {
    ++totals_.failed;
    return absl::ResourceExhaustedError(absl::StrCat("requests: got one more than the ",
                                                     max_requests,
                                                     " that may run at once, try again later"));
  }
  ++totals_.running;
  return absl::OkStatus();
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
