// One request's side of drafting: keeps a session at a drafter, asks for trees, checks the answers
// and says why a step has no draft. Whatever a drafter does, it costs a step at most one draft
// deadline and changes no token.
//  1. A returned tree is valid, keeps the limits of the request, and continues the step of the
//     request.
//  2. After an error the session is closed. The next attempt opens a session at the drafter that is
//     picked then; it hears all committed tokens, and the base and root of its step. After a
//     timeout, a stale tree or a malformed tree the session is kept and still gets observations.
//     The session is closed, too, if the directory gives the drafter up because of its answers.
//     A wait that the request's deadline cuts short does not count against the drafter.
//  3. After n failures in a row, min(2^(n-1) - 1, 31) steps do not ask. They count with the same
//     reason.
#ifndef RECYCLING_GATEWAY_LOOP_DRAFTING_H_
#define RECYCLING_GATEWAY_LOOP_DRAFTING_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/decoding/draft_tree.h"
#include "gateway/clients/drafter_client.h"
#include "gateway/clients/drafter_directory.h"
#include "gateway/loop/decode_stats.h"

namespace recycling::gateway {

struct DraftingOptions {
  std::string tenant;
  MatrixScope scope = MatrixScope::kTenant;
  absl::Duration draft_deadline;  // longest wait for one draft
  absl::Time deadline;            // of the request
  std::uint32_t vocab_size = 0;
  CallOrigin origin;  // the request, for the drafter's logs
  // All committed tokens of the request, the prompt first. Called when a session opens.
  std::function<std::vector<TokenId>()> committed;
};

// Threads: one.
class Drafting {
 public:
  // `directory` and `clock` must outlive this.
  Drafting(DraftingOptions options, DrafterDirectory& directory, const Clock& clock)
      : options_(std::move(options)), directory_(directory), clock_(clock) {}

  struct Draft {
    std::optional<DraftTree> tree;           // has at least one drafted node
    std::optional<FallbackReason> fallback;  // why there is no draft although one was wanted
    bool waited = false;                     // Take waited for an answer of the drafter
    std::optional<absl::Duration> inside;    // time inside the drafter, if its answer came
  };

  // What the prompt taught; the first session gets it.
  void LearnPrompt(Observation prompt) { prompt_ = std::move(prompt); }

  // Sends `step` to the drafter. If the step has a proposal, this asks for a tree. Does not wait.
  void Ask(DraftStep step);

  // What came of the last Ask; waits for the tree if one was asked for. Call at most once after
  // each Ask.
  Draft Take();

  // Address of the drafter in use; empty if none.
  std::string drafter() const { return session_ == nullptr ? "" : drafter_->address(); }

 private:
  std::optional<FallbackReason> EnsureSession();
  Draft Judge(absl::StatusOr<DraftAnswer> answer, const Proposal& proposal);
  Draft Fail(FallbackReason reason, std::optional<absl::Duration> inside);
  void Drop(const absl::Status& error);
  // Reports an answer that was of no use; closes the session if the drafter is given up for it.
  void Blame(const absl::Status& answer);

  const DraftingOptions options_;
  DrafterDirectory& directory_;
  const Clock& clock_;

  std::shared_ptr<DrafterClient> drafter_;
  std::unique_ptr<DrafterSession> session_;  // null: none is open
  std::optional<Observation> prompt_;        // that no session has got yet
  std::optional<Proposal> asked_;            // Take waits for the answer to it
  std::uint64_t asked_step_ = 0;
  std::optional<FallbackReason> missing_;  // why a wanted draft could not be asked for
  int failures_ = 0;                       // in a row
  int skip_ = 0;                           // so many of the next steps do not ask
  FallbackReason last_failure_ = FallbackReason::kUnavailable;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_DRAFTING_H_
