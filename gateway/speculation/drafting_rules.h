// The rules of drafting as pure functions: they get what was measured and what may still be
// emitted, and return a decision. DraftPolicy (draft_policy.h) applies them to a request.
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

// How drafting is done; see SpeculationMode in gateway.proto.
enum class Speculation { kOff, kAuto, kFixed };

// The largest tree that a step can use.
struct TreeLimits {
  int nodes = 0;
  int depth = 0;

  // A draft can be of use at all.
  bool useful() const { return nodes > 0 && depth > 0; }
  bool operator==(const TreeLimits&) const = default;
};

// Nodes: the request's budget, cut to what the verifier takes. Depth: the tokens that may still be
// emitted, less the bonus token of the step. `tokens_allowed`: at least 1.
TreeLimits LimitsOf(int node_budget, int max_tree_nodes, std::uint32_t tokens_allowed);

// What happens with an observation that the drafter has not heard.
enum class Telling {
  kNow,   // it goes out with the next message
  kHold,  // it waits for more rows; no message is sent
  kDrop   // it is forgotten: another request teaches
};

// While the guard pauses drafting, this many plain steps are told in one message. One message for
// each step would cost what the pause is to save.
inline constexpr std::size_t kHeldRows = 32;

// Whether `unheard` waits for more rows. Only in a pause (`resting`), and only if all its rows were
// accepted, so that the next plain step continues its last row.
bool HoldsBack(bool resting, const Observation& unheard);

// What one step took and gave.
struct StepMeasures {
  absl::Duration step;          // all of it
  absl::Duration overhead;      // all of it that was not inside the verifier
  absl::Duration draft;         // asking and waiting for a draft
  absl::Duration verify;        // waiting for the verifier
  absl::Duration queue;         // of that, waiting for its turn, as the verifier says
  bool waited = false;          // for a draft
  bool draft_came = false;      // in time
  bool opened_streams = false;  // the first step of a request does
  bool moved = false;           // to another verifier
  int tokens = 0;               // taken
  int drafted = 0;              // nodes verified, root not counted

  // All of the step beyond the verifier and the draft; never negative.
  absl::Duration plain_overhead() const;
};

// What the guard is told of a step: how long it took, and how long a plain step would have taken.
struct StepVerdict {
  absl::Duration took;
  absl::Duration plain;
};

// `overhead`: means of steps before; `costs` and `others`: as the verifier said last.
//
// If the sequence is alone, a plain step takes a pass of one row and the mean overhead of plain
// steps. The time that the step waited for passes of others does not count, because this sequence's
// trees do not cause it. If other sequences get tokens in the same passes, their rows determine the
// length of the pass, so the plain step is the step less what its draft added.
StepVerdict JudgeStep(const StepMeasures& measures, const StepOverhead& overhead,
                      std::span<const PassCost> costs, const OtherLoad& others);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_DRAFTING_RULES_H_
