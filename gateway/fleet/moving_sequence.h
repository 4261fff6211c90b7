// One sequence at whatever verifier holds it. A verifier that is lost, breaks the protocol, is full
// or drains is left: the sequence is opened at another one of equal numerics id, with the prompt
// and the tokens it has emitted apart, and the call that failed is made there. So its caller sees
// one sequence, whose tokens, positions and penalties are what they would have been.
//
//  1. The model and numerics id are those of the first verifier; no other takes the sequence over.
//  2. An error that is the request's own (InvalidArgument, OutOfRange, DeadlineExceeded, a Cancel)
//     is returned and moves nothing.
//  3. A sequence that has lost max_moves verifiers in a row without a token in between, or
//     kMostMoves in all, is not tried on another one: it may be what kills them.
//  4. Retries take from a budget that all sequences share, and wait with growing pauses: 0, 50 ms,
//     doubling to 2 s, from anew after each token.
//  5. While no verifier can take it the sequence waits, until shortly before its deadline, or for
//     `patience` if it has none; then it is Unavailable. For full verifiers a new one waits no
//     longer than `room_patience`; then it is ResourceExhausted, with a retry delay.
//  6. A verifier that drains is left between two steps and only once another one has opened the
//     sequence; without one the sequence stays.
#ifndef RECYCLING_GATEWAY_FLEET_MOVING_SEQUENCE_H_
#define RECYCLING_GATEWAY_FLEET_MOVING_SEQUENCE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "common/decoding/draft_tree.h"
#include "gateway/clients/verifier_client.h"
#include "gateway/clients/verifier_directory.h"
#include "gateway/fleet/retry_budget.h"

namespace recycling::gateway {

struct MoveRules {
  // After verifiers lost in a row without a token in between, 0 and more. Few, since it may be the
  // request that kills them.
  int max_moves = 3;
  absl::Duration patience = absl::Minutes(1);  // longest search, of a sequence without a deadline
  absl::Duration room_patience;                // longest wait for room, of one without tokens
};

// What it takes to move sequences; what is referred to must outlive them.
struct MoveParts {
  VerifierDirectory& verifiers;
  RetryBudget& budget;
  const Clock& clock;
  MoveRules rules;
};

struct SequenceRequest {
  OpenSequence open;  // without generated ids
  std::string tenant;
  absl::Time deadline = absl::InfiniteFuture();
  CallOrigin origin;  // for the verifiers' logs
};

// Call order: Open Verify* Close. Threads: Cancel any, the others one.
class MovingSequence {
 public:
  // Lost verifiers of one sequence, whatever max_moves allows.
  static constexpr int kMostMoves = 32;

  // Begins at `first`.
  MovingSequence(SequenceRequest request, std::shared_ptr<VerifierClient> first, MoveParts parts);

  // As VerifierSession, but for what moves do. Answers have been checked (verifier_answers.h).
  absl::StatusOr<SequenceOpened> Open();

  // A step at the committed tokens. `tree` (may be absent) is reset if it could not be sent:
  // a verifier that the sequence has moved to takes smaller ones only. `meanwhile` is called, on
  // this thread, whenever a step is on its way (see VerifierSession::VerifyWhile).
  absl::StatusOr<StepVerified> Verify(
      std::optional<DraftTree>* tree, absl::FunctionRef<void()> meanwhile = [] {});

  // Frees the verifier's slot; waits for that, a bounded time.
  void Close();

  // Makes a running or later call return Cancelled within one pass.
  void Cancel();

  // Committed tokens, prompt included, and the last of them.
  std::uint32_t base() const;
  TokenId root() const;

  // Where it is, or was last.
  const VerifierClient& verifier() const { return *verifier_; }

  std::uint64_t moves() const { return moves_; }      // to another verifier, or to the same anew
  std::uint64_t retries() const { return retries_; }  // opens beyond the first, moves included
  absl::Duration moving() const { return moving_; }   // spent on them, waiting included

 private:
  // Opens at `client`; on success it is where the sequence is.
  absl::StatusOr<SequenceOpened> OpenAt(const std::shared_ptr<VerifierClient>& client);
  // The sequence was lost, or not opened, with `error`: opens it elsewhere.
  absl::StatusOr<SequenceOpened> Reopen(absl::Status error);
  // OK if another verifier is to be tried after `error`; else how the sequence ends.
  absl::Status Judge(const absl::Status& error);
  // Waits for a verifier that may take it.
  absl::Duration LongestSearch() const;
  absl::StatusOr<std::shared_ptr<VerifierClient>> FindNext(const absl::Status& error);
  absl::StatusOr<std::shared_ptr<VerifierClient>> FindRoom(const absl::Status& error);
  absl::StatusOr<std::shared_ptr<VerifierClient>> PickOther(std::vector<std::string> avoid);
  absl::Status Pause(absl::Duration pause, absl::Duration until);
  void LeaveIfAsked();
  absl::StatusOr<StepVerified> VerifyHere(std::optional<DraftTree>* tree,
                                          absl::FunctionRef<void()> meanwhile);
  void CloseSession(std::unique_ptr<VerifierSession>* session);
  absl::Status CancelledHere() const;

  const MoveParts parts_;
  const std::string tenant_;
  const absl::Time deadline_;
  const CallOrigin origin_;
  const VerifierInfo like_;  // of the first
  OpenSequence open_;        // generated_ids are the tokens so far

  std::shared_ptr<VerifierClient> verifier_;
  std::uint64_t step_ = 0;  // of the stream
  absl::Duration since_;    // the stream was opened, Clock::Monotonic()

  int lost_in_a_row_ = 0;  // since the last token
  int lost_ = 0;
  int tries_ = 0;                             // opens since the last token that failed
  std::vector<std::string> failed_;           // where, since the last token
  std::optional<absl::Duration> full_since_;  // the first of a new one's verifiers was full
  int full_rounds_ = 0;                       // in which all were
  absl::Duration leave_at_;                   // not before
  absl::Duration leave_pause_;

  std::uint64_t moves_ = 0;
  std::uint64_t retries_ = 0;
  absl::Duration moving_;

  std::atomic<bool> cancelled_ = false;
  Mutex session_mutex_;  // Cancel against the others, which alone replace sessions
  std::unique_ptr<VerifierSession> session_;
  std::unique_ptr<VerifierSession>
      next_;  // opens elsewhere while session_ still holds the sequence
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_MOVING_SEQUENCE_H_
