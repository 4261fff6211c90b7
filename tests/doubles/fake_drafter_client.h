// A drafter in memory that knows the ToyModel. The test chooses how often its drafts are right, and
// how they are wrong.
#ifndef RECYCLING_TESTS_DOUBLES_FAKE_DRAFTER_CLIENT_H_
#define RECYCLING_TESTS_DOUBLES_FAKE_DRAFTER_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/decoding/draft_tree.h"
#include "gateway/clients/drafter_client.h"
#include "tests/doubles/call_trace.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/toy_model.h"

namespace recycling::doubles {

enum class DraftFault {
  kNone,
  kError,     // answers with FakeDrafterOptions::error
  kMismatch,  // answers FailedPrecondition, like a drafter that serves another model
  kSilent,    // never answers
  kDropped,   // the stream ends without an answer
  kStale,     // answers with a valid tree for an earlier base
  // Garbage:
  kNoTree,          // no node at all
  kCycle,           // two nodes are each other's parent
  kUnknownToken,    // a token outside the vocabulary
  kTooManyNodes,    // a chain with one node more than the proposal allows
  kTwins,           // siblings with equal tokens
  kWrongRoot,       // the root is another token than the proposal's
  kNegativeParent,  // a parent index below 0
  kLengthsDiffer,   // fewer parents than tokens
};

// The kind of garbage for a step. Successive steps give all kinds in turn.
DraftFault Garbage(std::uint64_t step);

struct FakeDrafterOptions {
  std::shared_ptr<const ToyModel> model = std::make_shared<ToyModel>();
  // The probability, 0 to 1, that the right (greedy) token is among the children at a depth, if the
  // right tokens were there at all depths above.
  double acceptance_rate = 1;
  std::uint64_t seed = 0;  // seed of the hash that decides this
  // The number of children of one node at each depth: of the right node, or of the first one if no
  // node is right.
  int children = 2;
  int max_tree_nodes = 80;  // the most nodes that it drafts beside the root
  std::string address = "fake-drafter";
  absl::Duration inside;  // the time in the drafter, as its answers state it

  // Returns the fault of a step. Null: no faults.
  std::function<DraftFault(std::uint64_t step)> fault = nullptr;
  absl::Status error = absl::InternalError("fake drafter: scripted error");
  // In a silent step the fake does not wait, but advances this clock by the timeout. May be null.
  // Must outlive the client and its sessions.
  FakeClock* clock = nullptr;

  // As in FakeVerifierOptions.
  std::shared_ptr<CallTrace> trace = nullptr;
  std::function<void(const std::string& call)> on_call = nullptr;
  // Called with the arguments of each new session. May be null.
  std::function<void(const gateway::OpenDrafting& open)> on_open = nullptr;
  // Called with each step that a session sends. May be null.
  std::function<void(const gateway::DraftStep& step)> on_step = nullptr;
};

// The tree that a drafter with `options` answers to `proposal` in step `step`. A `fault` may make
// the tree invalid. A right node comes before its siblings.
DraftTree FakeDraft(const FakeDrafterOptions& options, std::uint64_t step,
                    const gateway::Proposal& proposal, DraftFault fault);

// Receive never waits. It returns DeadlineExceeded at once for a silent step, and for a step
// without a proposal. Threads: any thread may call it. Sessions may outlive it.
class FakeDrafterClient final : public gateway::DrafterClient {
 public:
  explicit FakeDrafterClient(FakeDrafterOptions options = {});

  std::unique_ptr<gateway::DrafterSession> NewSession(gateway::OpenDrafting open,
                                                      absl::Time deadline,
                                                      const CallOrigin& origin) override;
  const std::string& address() const override { return options_->address; }

  const FakeDrafterOptions& options() const { return *options_; }

 private:
  const std::shared_ptr<const FakeDrafterOptions> options_;
};

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_FAKE_DRAFTER_CLIENT_H_
