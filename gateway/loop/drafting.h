// One request's side of drafting: keeps a drafter session, asks for trees, judges what comes and
// counts why a step goes without. Whatever a drafter does costs at most one draft deadline a step
// and changes no token.
//  1. A tree that is returned is valid, within the limits asked for and for the step asked for.
//  2. After an error the session is dropped; the next attempt opens one at whatever drafter is
//     picked then (it hears the step's base and root, nothing is replayed). After a timeout, a
//     stale or a malformed tree the session is kept and goes on hearing observations.
//     A drafter that the directory gives up on account of its answers is left as well.
//  3. After n failures in a row min(2^(n-1) - 1, 31) steps do not ask; they count as the same
//     reason.
#ifndef RECYCLING_GATEWAY_LOOP_DRAFTING_H_
#define RECYCLING_GATEWAY_LOOP_DRAFTING_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/decoding/draft_tree.h"
#include "gateway/clients/drafter_client.h"
#include "gateway/loop/decode_stats.h"

namespace recycling::gateway {

// Where a request finds its drafter. Threads: any.
class DrafterDirectory {
 public:
  virtual ~DrafterDirectory() = default;

  // The drafter of `tenant` now; never blocks. The drafter counts as used until the pointer is
  // gone. Unavailable if none is ready, FailedPrecondition if none is and one serves another model.
  virtual absl::StatusOr<std::shared_ptr<DrafterClient>> Pick(const std::string& tenant) = 0;

  // A session at the drafter of this address ended with this error. Never blocks.
  virtual void Report(const std::string& address, const absl::Status& error) = 0;

  // An answer of the drafter of this address was good (OK), or late or not to be used. Returns
  // whether to go on with this drafter. Never blocks.
  virtual bool Judge(const std::string& address, const absl::Status& answer) = 0;
};

struct DraftingOptions {
  std::string tenant;
  MatrixScope scope = MatrixScope::kTenant;
  absl::Duration draft_deadline;  // longest wait for one draft
  absl::Time deadline;            // of the request
  std::uint32_t vocab_size = 0;
  CallOrigin origin;  // the request, for the drafter's logs
};

// Threads: one.
class Drafting {
 public:
  // `directory` and `clock` must outlive this.
  Drafting(DraftingOptions options, DrafterDirectory& directory, const Clock& clock)
      : options_(std::move(options)), directory_(directory), clock_(clock) {}

  struct Draft {
    std::optional<DraftTree> tree;           // with at least one drafted node
    std::optional<FallbackReason> fallback;  // a draft was wanted and there is none
    bool waited = false;                     // for an answer of the drafter
    std::optional<absl::Duration> inside;    // of an answer that came: the drafter's own time
  };

  // Rows of the prompt; heard by the first session.
  void LearnPrompt(Observation prompt) { prompt_ = std::move(prompt); }

  // Tells the drafter of `step` and, if it has a proposal, asks for the tree. Does not wait.
  void Ask(DraftStep step);

  // What came of the last Ask; waits for the tree that was asked for. Once after each Ask.
  Draft Take();

  // Address of the drafter in use; empty if none.
  std::string drafter() const { return session_ == nullptr ? "" : drafter_->address(); }

 private:
  std::optional<FallbackReason> EnsureSession();
  Draft Judge(absl::StatusOr<DraftAnswer> answer, const Proposal& proposal);
  Draft Fail(FallbackReason reason, std::optional<absl::Duration> inside);
  void Drop(const absl::Status& error);
  // The answer was of no use; the session goes if the drafter is given up for it.
  void Blame(const absl::Status& answer);

  const DraftingOptions options_;
  DrafterDirectory& directory_;
  const Clock& clock_;

  std::shared_ptr<DrafterClient> drafter_;
  std::unique_ptr<DrafterSession> session_;  // null: none
  std::optional<Observation> prompt_;
  std::optional<Proposal> asked_;  // Take waits for its answer
  std::uint64_t asked_step_ = 0;
  std::optional<FallbackReason> missing_;  // a draft was wanted and could not be asked for
  int failures_ = 0;                       // in a row
  int skip_ = 0;                           // steps that will not ask
  FallbackReason last_failure_ = FallbackReason::kUnavailable;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_LOOP_DRAFTING_H_
