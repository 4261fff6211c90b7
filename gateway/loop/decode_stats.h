// What the decoding of one request cost and what drafting did for it. The fields are those of
// recycling.gateway.v1.SpeculationStats, Timings and StepDurations.
#ifndef RECYCLING_GATEWAY_LOOP_DECODE_STATS_H_
#define RECYCLING_GATEWAY_LOOP_DECODE_STATS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/time/time.h"
#include "common/base/duration_histogram.h"

namespace recycling::gateway {

// Why a step that wanted a draft had none.
enum class FallbackReason { kUnavailable, kTimeout, kStale, kMalformed, kError, kMismatch };
inline constexpr int kFallbackReasons = 6;

// One verify step.
struct StepRecord {
  std::uint32_t tokens = 0;    // taken from the step, before trimming at a stop string
  std::uint32_t drafted = 0;   // drafted nodes, root not counted
  std::uint32_t accepted = 0;  // accepted draft nodes, bonus not counted
  std::optional<FallbackReason> fallback;
  bool paused = false;  // no draft was asked for because drafting does not pay
};

// Sums over steps of which at least one token is output.
struct SpeculationStats {
  std::uint64_t steps = 0;
  std::uint64_t emitted_tokens = 0;
  std::uint64_t drafted_steps = 0;
  std::uint64_t draft_tokens = 0;
  std::uint64_t accepted_tokens = 0;              // those that are output
  std::vector<std::uint64_t> accepted_per_depth;  // sums to accepted_tokens
  std::array<std::uint64_t, kFallbackReasons> fallbacks{};
  std::uint64_t paused_steps = 0;
  std::uint64_t moves = 0;    // of the sequence to another verifier
  std::uint64_t retries = 0;  // times the sequence was opened beyond the first, moves included
  absl::Duration moving;  // spent on moves and retries, waiting included; of the other durations
                          // only the total contains it
  std::optional<double> row_cost;  // of one more row, as a share of a pass; the newest known

  // Emitted tokens / steps, 0 without steps; exactly 1 for plain decoding.
  double MeanAcceptedTokens() const;

  // Accepted / drafted, in [0, 1]; 0 without drafts.
  double AcceptanceRate() const;

  void Add(const SpeculationStats& other);

  // Takes back the counts of `part`, which was added before. Moves, retries and costs stay.
  void TakeBack(const SpeculationStats& part);

  bool operator==(const SpeculationStats&) const = default;
};

// The statistics of an output of `output_tokens` tokens. `steps` produced it, in this order; steps
// after the last output token are left out.
SpeculationStats Summarize(std::span<const StepRecord> steps, std::uint32_t output_tokens);

// Counts the steps of a request while it runs, each one once all its tokens have been shown.
class ShownSteps {
 public:
  // `steps`: all steps of the request so far, in order. `shown`: its tokens that have been shown so
  // far. Returns the sums of the steps that are counted now and were not before.
  SpeculationStats Count(std::span<const StepRecord> steps, std::uint32_t shown);

  // The sums of all steps that were counted.
  const SpeculationStats& counted() const { return counted_; }

 private:
  std::size_t steps_ = 0;  // that are counted
  SpeculationStats counted_;
};

// How long one step took.
struct StepTimes {
  absl::Duration step;
  bool waited = false;   // for a draft
  absl::Duration moved;  // moving to another verifier; in no other duration
  absl::Duration draft;  // asking for the draft and waiting for it
  std::optional<absl::Duration>
      draft_inside;               // inside the drafter if the draft came; at most draft
  absl::Duration verify;          // waiting for the verifier
  absl::Duration verify_inside;   // at most verify
  absl::Duration verify_forward;  // at most verify_inside

  // Cuts what the peers say they spent to what was waited for them.
  void BoundWhatPeersSay();

  // The step without the time inside the verifier.
  absl::Duration overhead() const { return step - verify_inside; }

  // What the loop waited beyond the time inside the drafter and inside the verifier.
  absl::Duration wire() const;
};

// See gateway.proto.
struct Timings {
  absl::Duration queue;
  absl::Duration total;
  absl::Duration time_to_first_token;
  absl::Duration prefill;
  absl::Duration decode;
  absl::Duration draft;
  absl::Duration verify;
  absl::Duration verify_forward;
  absl::Duration draft_inside;
  absl::Duration verify_inside;
  absl::Duration wire;

  // The time in the loop that was spent on neither draft nor verifier; never negative.
  absl::Duration rest() const;

  void Add(const StepTimes& times);
  void Add(const Timings& other);
};

// See gateway.proto.
struct StepDurations {
  DurationHistogram drafted_overhead;
  DurationHistogram plain_overhead;
  DurationHistogram draft;
  DurationHistogram verify;
  DurationHistogram wire;
  DurationHistogram rest;
  DurationHistogram inter_token;  // of every step but the first one added

  void Add(const StepTimes& times);
  void Add(const StepDurations& other);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_DECODE_STATS_H_
