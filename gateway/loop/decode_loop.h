// The guess-verify-update loop of one request.
//
//   Opening --opened--> Drafting --tree or fallback--> Verifying --tokens--> Emitting
//                          ^                                                    |
//                          +------------------- not finished ------------------+
//                                                                  finished --> Ended
//   If a verifier is lost, the sequence moves to another one (moving_sequence.h), and the loop
//   continues in the same state. If no other verifier takes the sequence, the loop ends. An error
//   of the drafter never ends the loop.
//
//  1. The output depends only on the tokens that the verifier chooses, never on the drafter.
//  2. The loop asks for a draft only if the node budget is above 0 and if more than one token may
//     still be emitted. The depth of the tree is at most the number of these tokens minus 1,
//     because the step also emits a bonus token.
//  3. With speculation off there is no drafter session, and the drafter learns nothing.
//  4. The loop shows the tokens of a step to the client while the verifier works on the next step,
//     or when the output has ended. So tokens wait at most one draft deadline, and no step waits
//     until tokens are shown.
//  5. DraftPolicy (draft_policy.h) decides when to draft and how large a draft may be. The loop
//     follows its plans.
//  6. The loop never waits for the drafter to learn. It sends the drafter the observation of every
//     step, including the last one, unless the policy leaves this to another request.
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

// A validated request. It has at least one prompt id. Prompt and max_tokens together fit into the
// context. If the temperature is above 0, it has a seed.
struct DecodeRequest {
  std::vector<TokenId> prompt_ids;
  SamplingOptions sampling;
  std::uint32_t max_tokens = 1;
  std::vector<std::string> stop;
  Speculation speculation = Speculation::kAuto;
  // At most this many drafted nodes in a step. The verifier's limit applies too.
  int node_budget = 0;
  // The drafter learns from this many last tokens of the prompt. UINT32_MAX: all.
  std::uint32_t learn_last = 0;
  MatrixScope scope = MatrixScope::kTenant;
  std::string tenant = "default";
  absl::Time deadline = absl::InfiniteFuture();
  absl::Duration arrived;  // Clock::Monotonic() when the request came
  CallOrigin origin;       // identifies the request in the logs of the peers
  bool trace = false;      // OutputDelta::trace is filled
};

// The objects that the loop uses. The objects behind references must outlive the loop.
struct DecodeParts {
  std::shared_ptr<VerifierClient> verifier;  // the first verifier of the sequence
  MoveParts moves;
  DrafterDirectory& drafters;
  DraftLedger& ledger;
  const Clock& clock;
  TokenBytesFn token_bytes;
  absl::Duration draft_deadline;
  // The loop calls it on Run's thread after it has shown tokens. It gets the sums of the steps
  // whose tokens are now all shown (see ShownSteps). May be empty.
  std::function<void(const SpeculationStats&)> on_steps = nullptr;
  // The loop calls it on Run's thread at the end of each step. May be empty.
  std::function<void(const StepTimes&)> on_step_times = nullptr;
};

struct DecodeOutcome {
  absl::Status status;  // OK: `finish` is set. Else the error that ended the loop.
  Finish finish;
  std::uint32_t completion_tokens = 0;  // tokens that were shown
  std::uint32_t cached_prompt_tokens = 0;
  Timings timings;
  StepDurations steps;
  SpeculationStats speculation;
  SpeculationStats counted;  // the sum of all calls of on_steps; part of `speculation`
  std::string drafter;       // address of the drafter in use at the end; empty: none
  std::string verifier;      // address of the verifier in use at the end
};

// Call order: Run once. Threads: one thread calls Run; any thread may call Cancel.
class DecodeLoop {
 public:
  DecodeLoop(DecodeRequest request, DecodeParts parts);

  // Runs the request and blocks until the output has ended. Calls `show` on this thread for every
  // delta that is not empty, in order. When Run returns, the verifier's slot is free.
  DecodeOutcome Run(const std::function<void(OutputDelta)>& show);

  // Makes Run return Cancelled within the duration of one pass of the verifier. May be called at
  // any time, any number of times.
  void Cancel();

 private:
  using Show = std::function<void(OutputDelta)>;

  // Calls `show`, then on_steps.
  void ShowAndCount(OutputDelta delta, const Show& show);
  OpenSequence ToOpen();
  absl::Status Open();
  void FollowVerifier();
  absl::Status Step(const Show& show);

  // The parts of a step, in order. They write their durations to `times`.
  Drafting::Draft TakeDraft(StepTimes* times);
  absl::StatusOr<StepVerified> Verify(std::optional<DraftTree>* tree, const Show& show,
                                      StepTimes* times);
  // Takes the tokens of a step. `root` is its root.
  OutputDelta Accept(const Drafting::Draft& draft, TokenId root, const StepVerified& verified);
  StepTrace Trace(DraftTree tree, const StepVerified& verified) const;
  void Learn(TokenId root, const std::optional<DraftTree>& asked, StepVerified* verified);
  void EndStep(StepTimes times, const StepVerified& verified);
  void AskForDraft();

  DecodeOutcome Summary(absl::Status status) const;

  const DecodeRequest request_;
  DecodeParts parts_;                  // `verifier` is null, because sequence_ has it
  std::optional<DraftPolicy> policy_;  // absent after the loop has ended
  std::optional<Drafting> drafting_;   // absent: speculation is off
  Emission emission_;
  std::string verifier_;  // address that policy_ follows
  MovingSequence sequence_;

  std::uint64_t step_ = 0;                  // number of steps of the request so far
  std::optional<Observation> observation_;  // of earlier steps; not yet sent to the drafter
  std::optional<OutputDelta> unshown_;      // of the previous step

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
