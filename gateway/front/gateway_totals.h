// Counters over all requests since the gateway's start.
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
  std::uint64_t unauthenticated = 0;                     // calls of every kind without a known key
  std::uint64_t not_permitted = 0;                       // calls whose key does not allow them
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;  // also of requests that still run
  SpeculationStats speculation;         // also of requests that still run
  Timings timings;
  StepDurations steps;
  RequestDurations requests;
};

// Threads: any.
class GatewayTotals {
 public:
  // Counts a request that begins. The caller must call End when it ends.
  void Begin();

  // Counts a request that failed before it began.
  void Refuse();

  // Counts a call that was refused because of its caller: Unauthenticated or PermissionDenied.
  // Ignores other errors.
  void CountNotAllowed(const absl::Status& why);

  // Counts `tokens` more tokens that a running request has shown to its client.
  void Show(std::size_t tokens) { shown_.fetch_add(tokens, std::memory_order_relaxed); }

  // Counts steps of a running request that were shown to its client; see DecodeParts::on_steps.
  void CountSteps(const SpeculationStats& steps);

  // Counts the durations of one step of a running request; see DecodeParts::on_step_times.
  void CountTimes(const StepTimes& times);

  // Counts the end of a request that began. Show must have counted its tokens before, and
  // CountTimes the durations of its steps.
  // `prompt_tokens` is 0 if its prompt was not read.
  void End(const DecodeOutcome& outcome, std::uint64_t prompt_tokens);

  Totals Snapshot() const;

 private:
  mutable Mutex mutex_;
  Totals totals_ ABSL_GUARDED_BY(mutex_);  // completion_tokens is in shown_
  std::atomic<std::uint64_t> shown_{0};
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_GATEWAY_TOTALS_H_
