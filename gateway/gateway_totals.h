// Counts of all requests since start.
#ifndef RECYCLING_GATEWAY_GATEWAY_TOTALS_H_
#define RECYCLING_GATEWAY_GATEWAY_TOTALS_H_

#include <cstdint>

#include "common/mutex.h"
#include "gateway/decode_loop.h"
#include "gateway/decode_stats.h"

namespace recycling::gateway {

struct Totals {
  int running = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;  // or cancelled; those that were not admitted included
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  SpeculationStats speculation;
  Timings timings;
  StepDurations steps;
};

// Threads: any.
class GatewayTotals {
 public:
  // One more runs until End.
  void Begin();

  // A request failed before it began.
  void Refuse();

  // A request that began has ended; `prompt_tokens` is 0 if it never got that far.
  void End(const DecodeOutcome& outcome, std::uint64_t prompt_tokens);

  Totals Snapshot() const;

 private:
  mutable Mutex mutex_;
  Totals totals_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_GATEWAY_TOTALS_H_
