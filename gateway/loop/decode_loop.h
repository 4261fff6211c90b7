// The guess-verify-update loop of one request.
//
//   Opening --opened--> Drafting --tree or fallback--> Verifying --tokens--> Emitting
//                          ^                                                    |
//                          +------------------- not finished ------------------+
//                                                                  finished --> Ended
//   If a verifier is lost, the sequence moves to another one (moving_sequence.h) and the loop goes
//   on in the same state; if no other verifier takes the sequence, the loop ends. An error of the
//   drafter never ends the loop.
//
//  1. The output depends on what the verifier chooses, and on nothing that a drafter does.
//  2. The loop asks for a draft only if the node budget is above 0 and if more than one token may
//     still be emitted. The depth of the tree is at most the number of these tokens, less the
//     bonus token.
//  3. With speculation off there is no drafter session, and the drafter learns nothing.
//  4. The client is shown the tokens of a step while the verifier works on the next step, or when
//     the output has ended. So tokens wait at most one draft deadline, and no step waits for them.
//  5. DraftPolicy (draft_policy.h) decides when and how much to draft. The loop does what the
//     policy plans.
//  6. The loop never waits for the drafter to learn. The drafter hears of every step, the last one
//     included, unless the policy leaves the teaching to another request.
#ifndef RECYCLING_GATEWAY_LOOP_DECODE_LOOP_H_
#define RECYCLING_GATEWAY_LOOP_DECODE_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/trace_context.h"
#include "common/decoding/sampling_options.h"
#include "gateway/clients/verifier_client.h"
#include "gateway/fleet/moving_sequence.h"
#include "gateway/loop/decode_stats.h"
#include "gateway/loop/drafting.h"
#include "gateway/loop/emission.h"
#include "gateway/speculation/draft_ledger.h"
#include "gateway/speculation/draft_policy.h"

namespace recycling::gateway {

// A request that has been validated: it has at least one prompt id, prompt and max_tokens fit into
// the context, and there is a seed if the temperature is above 0.
struct DecodeRequest {
  std::vector<TokenId> prompt_ids;
  SamplingOptions sampling;
  std::uint32_t max_tokens = 1;
  std::vector<std::string> stop;
  Speculation speculation = Speculation::kAuto;
  int node_budget = 0;           // most drafted nodes in a step; cut to the verifier's limit
  std::uint32_t learn_last = 0;  // learn from this many last tokens of the prompt; UINT32_MAX: all
  MatrixScope scope = MatrixScope::kTenant;
  std::string tenant = "default";
  absl::Time deadline = absl::InfiniteFuture();
  absl::Duration arrived;  // Clock::Monotonic() when the request came
  CallOrigin origin;       // this request, for the peers' logs
};

// What the loop works with; what is referred to must outlive it.
struct DecodeParts {
  std::shared_ptr<VerifierClient> verifier;  // where the sequence begins
  MoveParts moves;
  DrafterDirectory& drafters;
  DraftLedger& ledger;
  const Clock& clock;
  TokenBytesFn token_bytes;
  absl::Duration draft_deadline;
  // Called on Run's thread after tokens were shown, with the sums of the steps that this completed
  // (see ShownSteps). May be empty.
  std::function<void(const SpeculationStats&)> on_steps = nullptr;
};

struct DecodeOutcome {
  absl::Status status;  // OK: `finish` is set. Else why the loop ended; what was shown stays shown.
  Finish finish;
  std::uint32_t completion_tokens = 0;  // that were shown
  std::uint32_t cached_prompt_tokens = 0;
  Timings timings;
  StepDurations steps;
  SpeculationStats speculation;
  SpeculationStats counted;  // what on_steps was told, all together; part of speculation
  std::string drafter;       // address of the one in use at the end; empty: none
  std::string verifier;      // address of the one in use at the end
};

// Call order: Run once. Threads: Run one, Cancel any.
class DecodeLoop {
 public:
  DecodeLoop(DecodeRequest request, DecodeParts parts);

  // Blocks until the output has ended. `show` gets every delta that is not empty, in order, on this
  // thread. When this returns, the verifier's slot is free.
  DecodeOutcome Run(const std::function<void(OutputDelta)>& show);

  // Makes Run return Cancelled within one pass of the verifier. Any time, any number of times.
  void Cancel();

 private:
  using Show = std::function<void(OutputDelta)>;

  // Calls `show`, then on_steps.
  void ShowAndCount(OutputDelta delta, const Show& show);
  OpenSequence ToOpen();
  absl::Status Open();
  void FollowVerifier();
  absl::Status Step(const Show& show);

  // The parts of a step, in order. `times` gets what each took.
  Drafting::Draft TakeDraft(StepTimes* times);
  absl::StatusOr<StepVerified> Verify(std::optional<DraftTree>* tree, const Show& show,
                                      StepTimes* times);
  OutputDelta Accept(const Drafting::Draft& draft, const StepVerified& verified);
  void Learn(TokenId root, const std::optional<DraftTree>& asked, StepVerified* verified);
  void EndStep(StepTimes times, const StepVerified& verified);
  void AskForDraft();

  DecodeOutcome Summary(absl::Status status) const;

  const DecodeRequest request_;
  DecodeParts parts_;                  // the verifier is moved to sequence_
  std::optional<DraftPolicy> policy_;  // until the loop has ended
  std::optional<Drafting> drafting_;   // absent: speculation is off
  Emission emission_;
  std::string verifier_;  // that policy_ follows
  MovingSequence sequence_;

  std::uint64_t step_ = 0;                  // of the request
  std::optional<Observation> observation_;  // of steps before; the drafter has not heard it
  std::optional<OutputDelta> unshown_;      // of the step before

  std::vector<StepRecord> records_;
  ShownSteps shown_steps_;
  std::uint32_t cached_prompt_tokens_ = 0;
  Timings timings_;
  StepDurations durations_;
  absl::Duration step_begin_;  // Clock::Monotonic()
  absl::Duration asking_;      // how long asking for the next draft took
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_DECODE_LOOP_H_
