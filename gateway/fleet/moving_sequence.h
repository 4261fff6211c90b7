// One sequence that moves between verifiers. It leaves a verifier that is lost, breaks the
// protocol, is full or drains. It opens at another verifier of equal numerics id, with the prompt
// and the emitted tokens in separate fields, and repeats the failed call there. The caller sees one
// sequence, with the same tokens, positions and penalties as without moves.
//
//  1. A sequence moves only to verifiers that have the model and numerics id of the first one.
//  2. An error of the request itself (InvalidArgument, OutOfRange, DeadlineExceeded, a Cancel) is
//     returned and causes no move.
//  3. A sequence that has lost more than max_moves verifiers in a row without a token between them,
//     or more than kMostMoves in all, does not move again, because the request may be the cause of
//     the failures.
//  4. Each retry takes one unit of a budget that all sequences share. The first retry is made at
//     once, the second after 50 ms, and each later pause is twice as long, up to 2 s. The pauses
//     start again after each token. A new sequence that leaves a full verifier takes nothing from
//     the budget, because the verifier has not failed.
//  5. While no verifier can take the sequence, it waits until shortly before its deadline. If it
//     has no deadline, it waits for `patience`. Then it ends as Unavailable. If the verifiers are
//     full, a new sequence waits at most `room_patience`. Then it ends as ResourceExhausted with a
//     retry delay.
//  6. A sequence leaves a draining verifier between two steps, and only after another verifier has
//     opened it. If no other verifier opens it, it stays.
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
  // Most moves in a row without a token between them; at least 0. The default is small, because the
  // request itself may crash the verifiers.
  int max_moves = 3;
  absl::Duration patience = absl::Minutes(1);  // longest search without a deadline
  absl::Duration room_patience;                // longest wait of a new sequence for room
};

// The objects that a MovingSequence uses. They must outlive it.
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

// Call order: Open Verify* Close. Threads: any for Cancel, one for the others.
class MovingSequence {
 public:
  // The most verifiers that one sequence may lose, even if max_moves allows more.
  static constexpr int kMostMoves = 32;

  // The sequence begins at the verifier `first`.
  MovingSequence(SequenceRequest request, std::shared_ptr<VerifierClient> first, MoveParts parts);

  // As VerifierSession::Open, but moves if that fails. Checks the answers (verifier_answers.h).
  absl::StatusOr<SequenceOpened> Open();

  // Verifies a step after the committed tokens. `tree` may be absent. If the sequence has moved to
  // a verifier that takes only smaller trees, the tree is not sent, and `tree` is reset. This
  // thread calls `meanwhile` each time it has sent the step (see VerifierSession::VerifyWhile).
  absl::StatusOr<StepVerified> Verify(
      std::optional<DraftTree>* tree, absl::FunctionRef<void()> meanwhile = [] {});

  // Frees the verifier's slot, and waits a bounded time for that.
  void Close();

  // A running call, and every later one, returns Cancelled within one pass.
  void Cancel();

  // The number of committed tokens, prompt included, and the last of them.
  std::uint32_t base() const;
  TokenId root() const;
  // All committed tokens; [base()].
  std::vector<TokenId> Committed() const;

  // The verifier where the sequence is, or was last.
  const VerifierClient& verifier() const { return *verifier_; }

  // How often the sequence, once open, was opened again: at another verifier or at the same one.
  std::uint64_t moves() const { return moves_; }
  // Attempts to open the sequence, without the first attempt. Moves are included.
  std::uint64_t retries() const { return retries_; }
  // Time spent on moves and retries, waiting included.
  absl::Duration moving() const { return moving_; }

 private:
  // Opens the sequence at `client`. On success this is the sequence's verifier.
  absl::StatusOr<SequenceOpened> OpenAt(const std::shared_ptr<VerifierClient>& client);
  // Opens the sequence again after it was lost, or could not be opened, because of `error`.
  absl::StatusOr<SequenceOpened> Reopen(absl::Status error);
  // OK if another verifier should be tried after `error`; else the status that ends the sequence.
  absl::Status Judge(const absl::Status& error);
  // How long a search for a verifier may take.
  absl::Duration LongestSearch() const;
  // Waits for a verifier that may take the sequence.
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
  const VerifierInfo like_;  // of the first verifier
  OpenSequence open_;        // its generated_ids are the tokens so far

  std::shared_ptr<VerifierClient> verifier_;
  std::uint64_t step_ = 0;  // number of the next step of this stream
  absl::Duration since_;    // when the stream was opened, Clock::Monotonic()

  int lost_in_a_row_ = 0;  // since the last token
  int lost_ = 0;
  int tries_ = 0;                             // failed attempts to open it since the last token
  std::vector<std::string> failed_;           // addresses of these attempts
  std::optional<absl::Duration> full_since_;  // when a new sequence first met a full verifier
  int full_rounds_ = 0;                       // rounds in which all verifiers were full
  absl::Duration leave_at_;                   // earliest next attempt to leave a draining verifier
  absl::Duration leave_pause_;                // the last pause between two such attempts

  std::uint64_t moves_ = 0;
  std::uint64_t retries_ = 0;
  absl::Duration moving_;

  std::atomic<bool> cancelled_ = false;
  // A thread holds it while it replaces a session. Cancel holds it while it uses the sessions.
  Mutex session_mutex_;
  std::unique_ptr<VerifierSession> session_;
  // The session that is being opened. When it is open, it replaces session_. Until then session_ is
  // the session at the previous verifier, or null if there is none.
  std::unique_ptr<VerifierSession> next_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_MOVING_SEQUENCE_H_
