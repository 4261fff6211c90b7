// The rules of drafting, as pure functions of measurements and limits. DraftPolicy (draft_policy.h)
// applies them to a request.
#ifndef RECYCLING_GATEWAY_SPECULATION_DRAFTING_RULES_H_
#define RECYCLING_GATEWAY_SPECULATION_DRAFTING_RULES_H_

#include <cstdint>
#include <optional>
#include <span>

#include "absl/time/time.h"
#include "gateway/clients/drafter_client.h"
#include "gateway/clients/verifier_client.h"
#include "gateway/speculation/draft_ledger.h"

namespace recycling::gateway {

// The drafting mode of a request; see SpeculationMode in gateway.proto.
enum class Speculation { kOff, kAuto, kFixed, kFull };

// The largest tree that a step can use.
struct TreeLimits {
  int nodes = 0;
  int depth = 0;

  // True if a tree within these limits can have drafted nodes.
  bool useful() const { return nodes > 0 && depth > 0; }
  bool operator==(const TreeLimits&) const = default;
};

// Returns the limits of the next tree. Nodes: the smaller of `node_budget` and `max_tree_nodes`,
// the verifier's limit. Depth: `tokens_allowed` minus 1, because the step also emits a bonus token.
// `tokens_allowed`: how many tokens may still be emitted, at least 1.
TreeLimits LimitsOf(int node_budget, int max_tree_nodes, std::uint32_t tokens_allowed);

// What the loop does with an observation that it has not sent to the drafter yet.
enum class Telling {
  kNow,   // send it with the next message
  kHold,  // keep it until it has more rows; send no message
  kDrop   // discard it, because another request teaches the drafter
};

// While the guard pauses drafting, the loop sends the observations of this many plain steps in one
// message. One message for each step would cost the time that the pause should save.
inline constexpr std::size_t kHeldRows = 32;

// Returns whether the loop keeps `unheard` until it has more rows. True only in a pause
// (`resting`), and only if `unheard` has fewer than kHeldRows rows and all its rows were accepted.
// Then the row of the next plain step is a child of the last row.
bool HoldsBack(bool resting, const Observation& unheard);

// The measurements of one step.
struct StepMeasures {
  absl::Duration step;      // the whole step
  absl::Duration overhead;  // the step minus the time inside the verifier
  absl::Duration draft;     // time to ask for a draft and wait for it
  absl::Duration verify;    // time that the loop waited for the verifier
  // The part of `verify` that the step waited for its pass, as the verifier measured it.
  absl::Duration queue;
  bool waited = false;          // the step waited for a draft
  bool draft_came = false;      // the draft came in time
  bool opened_streams = false;  // true for the first step of a request
  bool moved = false;           // the sequence moved to another verifier
  int tokens = 0;               // tokens of the step that were taken
  int drafted = 0;              // drafted nodes that were verified, without the root

  // The step minus the time inside the verifier and the time for the draft; never negative.
  absl::Duration plain_overhead() const;
};

// The durations of a step that the guard gets: how long it took, and how long a plain step would
// have taken.
struct StepVerdict {
  absl::Duration took;
  absl::Duration plain;
};

// Computes the durations for the guard. `overhead`: means over earlier steps. `costs` and `others`:
// from the last message of the verifier.
//
// If no other sequences run, a plain step takes the duration of a pass of one row plus the mean
// overhead of plain steps. The time that the step waited for other passes does not count, because
// the trees of this sequence do not cause it. If other sequences get tokens during the step, their
// rows also determine the duration of the pass. Then the duration of a plain step is that of the
// step minus the time that its draft added.
StepVerdict JudgeStep(const StepMeasures& measures, const StepOverhead& overhead,
                      std::span<const PassCost> costs, const OtherLoad& others);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_DRAFTING_RULES_H_
