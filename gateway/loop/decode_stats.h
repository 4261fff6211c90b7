// The durations and the drafting statistics of a request. The fields are those of
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
#include "common/decoding/draft_tree.h"

namespace recycling::gateway {

// Why a step that wanted a draft had none.
enum class FallbackReason { kUnavailable, kTimeout, kStale, kMalformed, kError, kMismatch };
inline constexpr int kFallbackReasons = 6;

// The drafted nodes of one source. A node that several sources proposed counts for each of them.
// `Number` counts nodes, and `Sum` holds a sum of estimates.
template <typename Number, typename Sum>
struct SourceCountsOf {
  Number proposed = 0;
  Number accepted = 0;
  Number proposed_alone = 0;  // no other source proposed the node
  Number accepted_alone = 0;
  // Sum of the drafter's estimates over the nodes whose parent was accepted. If the estimates are
  // right, it is near `accepted`. Template trees have no estimates and add nothing.
  Sum expected = 0;

  bool operator==(const SourceCountsOf&) const = default;
};
using SourceCounts = SourceCountsOf<std::uint64_t, double>;
using SourceStats = std::array<SourceCounts, kDraftSources>;  // by DraftSource
// The same of one step, smaller, because a request keeps those of all its steps.
using StepSources = std::array<SourceCountsOf<std::uint16_t, float>, kDraftSources>;

// Counts the first `drafted` drafted nodes of a tree, which the verifier has verified. `accepted`:
// indices of the accepted nodes, without the root. Requires a valid tree of less than 2^16 nodes.
StepSources CountSources(const DraftTree& tree, std::size_t drafted, std::span<const int> accepted);

// One verify step.
struct StepRecord {
  // Tokens taken from the step, including tokens that a stop string cuts off later.
  std::uint32_t tokens = 0;
  std::uint32_t drafted = 0;   // drafted nodes, without the root
  std::uint32_t accepted = 0;  // accepted draft nodes, without the bonus token
  std::optional<FallbackReason> fallback;
  bool paused = false;  // asked for no draft, because DraftGuard had paused drafting
  StepSources sources;
};

// Sums over the steps with at least one output token.
struct SpeculationStats {
  std::uint64_t steps = 0;
  std::uint64_t emitted_tokens = 0;
  std::uint64_t drafted_steps = 0;
  std::uint64_t draft_tokens = 0;
  std::uint64_t accepted_tokens = 0;              // accepted tokens that are output
  std::vector<std::uint64_t> accepted_per_depth;  // [depth - 1]; their sum is accepted_tokens
  std::array<std::uint64_t, kFallbackReasons> fallbacks{};
  std::uint64_t paused_steps = 0;
  SourceStats sources;
  std::uint64_t moves = 0;    // how often the sequence moved to another verifier
  std::uint64_t retries = 0;  // how often the sequence was opened again, including moves
  // Time for moves and retries, including waits. Of the other durations, only Timings::total,
  // Timings::time_to_first_token and StepDurations::inter_token contain it.
  absl::Duration moving;
  // The newest known cost of one more row, as a fraction of a pass.
  std::optional<double> row_cost;
  // The newest estimate of how long a step without a draft takes (DraftPolicy::plain_step).
  std::optional<absl::Duration> plain_step;

  // Emitted tokens / steps; 0 if there are no steps; exactly 1 if there are no drafts.
  double MeanAcceptedTokens() const;

  // Accepted tokens / drafted tokens, in [0, 1]; 0 if there are no drafts.
  double AcceptanceRate() const;

  void Add(const SpeculationStats& other);

  // Subtracts the counts of `part`, which was added before. Does not change moves, retries, moving,
  // row_cost and plain_step.
  void TakeBack(const SpeculationStats& part);

  bool operator==(const SpeculationStats&) const = default;
};

// Returns the statistics of an output of `output_tokens` tokens. `steps` are the steps that
// produced it, in order. Steps after the last output token do not count.
SpeculationStats Summarize(std::span<const StepRecord> steps, std::uint32_t output_tokens);

// Counts the steps of a running request. It counts each step once, when all its tokens have been
// shown.
class ShownSteps {
 public:
  // `steps`: all steps of the request so far, in order. `shown`: the number of its tokens that have
  // been shown so far. Returns the sums of the steps that this call counts.
  SpeculationStats Count(std::span<const StepRecord> steps, std::uint32_t shown);

  // The sums of all steps that were counted.
  const SpeculationStats& counted() const { return counted_; }

 private:
  std::size_t steps_ = 0;  // number of counted steps
  SpeculationStats counted_;
};

// The durations of one step.
struct StepTimes {
  absl::Duration step;
  bool waited = false;   // the loop waited for a draft
  absl::Duration moved;  // time to move to another verifier; no other field here contains it
  absl::Duration draft;  // time to ask for the draft and wait for it
  // Time inside the drafter, at most `draft`. Absent if no draft came.
  std::optional<absl::Duration> draft_inside;
  absl::Duration verify;          // time that the loop waited for the verifier
  absl::Duration verify_inside;   // time inside the verifier; at most `verify`
  absl::Duration verify_forward;  // time of the verifier's forward passes; at most verify_inside

  // Limits the times inside the peers, which the peers report, to the times that the loop waited
  // for them.
  void BoundWhatPeersSay();

  // The step minus the time inside the verifier.
  absl::Duration overhead() const { return step - verify_inside; }

  // The time that the loop waited for drafter and verifier, minus the times inside them. The wait
  // for a draft that did not come is not part of it.
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

  // The decoding time without the waiting for drafts and for the verifier; never negative.
  absl::Duration rest() const;

  void Add(const StepTimes& times);
  // Adds the durations of `request` that are no sums over its steps.
  void AddAllButSteps(const Timings& request);
};

// See gateway.proto.
struct StepDurations {
  DurationHistogram drafted_overhead;
  DurationHistogram plain_overhead;
  DurationHistogram draft;
  DurationHistogram verify;
  DurationHistogram wire;
  DurationHistogram rest;
  DurationHistogram inter_token;  // for every step except the first

  void Add(const StepTimes& times);
  void Add(const StepDurations& other);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_DECODE_STATS_H_
