// Counts of all requests since start.
#ifndef RECYCLING_GATEWAY_FRONT_GATEWAY_TOTALS_H_
#define RECYCLING_GATEWAY_FRONT_GATEWAY_TOTALS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "common/base/mutex.h"
#include "gateway/loop/decode_loop.h"
#include "gateway/loop/decode_stats.h"

namespace recycling::gateway {

// See gateway.proto.
struct RequestDurations {
  DurationHistogram queue;
  DurationHistogram time_to_first_token;
  DurationHistogram prefill;
  DurationHistogram decode;
  DurationHistogram total;

  void Add(const DecodeOutcome& outcome);
};

struct Totals {
  int running = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;                              // or cancelled, or refused
  std::array<std::uint64_t, kFinishReasons> finishes{};  // their sum is `succeeded`
  std::array<std::uint64_t, 17> failures{};              // by status code, of requests that began
  std::uint64_t unauthenticated = 0;  // calls, requests and others, without a key that is known
  std::uint64_t not_permitted = 0;    // calls whose key does not allow them
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;  // also of requests that still run
  SpeculationStats speculation;         // the same
  Timings timings;
  StepDurations steps;
  RequestDurations requests;
};

// Threads: any.
class GatewayTotals {
 public:
  // A request begins; End follows.
  void Begin();

  // A request failed before it began.
  void Refuse();

  // A call was refused because of its caller: Unauthenticated or PermissionDenied; other errors are
  // not counted.
  void CountNotAllowed(const absl::Status& why);

  // A running request has shown its client so many more tokens.
  void Show(std::size_t tokens) { shown_.fetch_add(tokens, std::memory_order_relaxed); }

  // These steps of a request that runs have been shown; see DecodeParts::on_steps.
  void CountSteps(const SpeculationStats& steps);

  // A request that began has ended, and Show has counted its tokens. `prompt_tokens` is 0 if its
  // prompt was not read.
  void End(const DecodeOutcome& outcome, std::uint64_t prompt_tokens);

  Totals Snapshot() const;

 private:
  mutable Mutex mutex_;
  Totals totals_ ABSL_GUARDED_BY(mutex_);  // completion_tokens is in shown_
  std::atomic<std::uint64_t> shown_{0};
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_GATEWAY_TOTALS_H_
