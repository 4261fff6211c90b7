// The drafter client of one request: keeps a session at a drafter, asks for trees, checks the
// answers, and reports why a step has no draft. A bad drafter costs a step at most one draft
// deadline, and never changes a token.
//  1. A returned tree is valid, is within the limits of its proposal, and has the proposal's base
//     and root.
//  2. After an error, the session is closed. The next attempt picks a drafter and opens a session
//     with all committed tokens. After a timeout, a stale tree or a malformed tree, the session
//     stays open and still gets observations. But if the directory ejects the drafter because of
//     such answers, the session is closed. If the request's deadline ends a wait, this does not
//     count against the drafter.
//  3. After n consecutive failures, the next min(2^(n-1) - 1, 31) steps do not ask for a draft.
//     They count as fallbacks with the reason of the last failure.
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
  absl::Duration draft_deadline;  // the longest wait for one draft
  absl::Time deadline;            // the request's deadline
  std::uint32_t vocab_size = 0;
  CallOrigin origin;  // identifies the request in the drafter's logs
  // Returns all committed tokens of the request, the prompt first. Drafting calls it when it opens
  // a session.
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

  // Sets the observation of the prompt. The first session gets it.
  void LearnPrompt(Observation prompt) { prompt_ = std::move(prompt); }

  // Sends `step` to the drafter. A step with a proposal asks for a tree. Does not wait.
  void Ask(DraftStep step);

  // Returns the result of the last Ask. If Ask asked for a tree, waits for it, at most for the
  // draft deadline. Call it at most once after each Ask.
  Draft Take();

  // Address of the drafter in use; empty if none.
  std::string drafter() const { return session_ == nullptr ? "" : drafter_->address(); }

 private:
  std::optional<FallbackReason> EnsureSession();
  Draft Judge(absl::StatusOr<DraftAnswer> answer, const Proposal& proposal);
  Draft Fail(FallbackReason reason, std::optional<absl::Duration> inside);
  void Drop(const absl::Status& error);
  // Reports a useless answer to the directory. Closes the session if the directory then ejects the
  // drafter.
  void Blame(const absl::Status& answer);

  const DraftingOptions options_;
  DrafterDirectory& directory_;
  const Clock& clock_;

  std::shared_ptr<DrafterClient> drafter_;
  std::unique_ptr<DrafterSession> session_;  // null: none is open
  std::optional<Observation> prompt_;        // no session has got it yet
  std::optional<Proposal> asked_;            // Take waits for its answer
  std::uint64_t asked_step_ = 0;
  std::optional<FallbackReason> missing_;  // why Ask could not ask for a wanted draft
  int failures_ = 0;                       // consecutive failures
  int skip_ = 0;                           // this many of the next steps do not ask
  FallbackReason last_failure_ = FallbackReason::kUnavailable;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_DRAFTING_H_
