// A drafter in memory that knows the ToyModel and is right as often as the test asks, or wrong in a
// way that the test chooses.
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
  kMismatch,  // FailedPrecondition, as of a drafter that serves another model
  kSilent,    // never answers
  kDropped,   // the stream ends without an answer
  kStale,     // a fine tree, for an earlier base
  // Garbage:
  kNoTree,          // no node at all
  kCycle,           // two nodes are each other's parent
  kUnknownToken,    // a token outside the vocabulary
  kTooManyNodes,    // one node more than was asked for, in a chain
  kTwins,           // siblings with equal tokens
  kWrongRoot,       // continues another token
  kNegativeParent,  // a parent before the root
  kLengthsDiffer,   // fewer parents than tokens
};

// One kind of garbage after the other, by step.
DraftFault Garbage(std::uint64_t step);

struct FakeDrafterOptions {
  std::shared_ptr<const ToyModel> model = std::make_shared<ToyModel>();
  // Probability that the right token (the greedy one) is among the children at each depth, given
  // that it was at all depths above; [0, 1].
  double acceptance_rate = 1;
  std::uint64_t seed = 0;   // of that chance
  int children = 2;         // of the node that is right, or of the first one where none is
  int max_tree_nodes = 80;  // never drafts more beside the root
  std::string address = "fake-drafter";
  absl::Duration inside;  // what an answer says it took

  // Fault of each step, by its number; null: none.
  std::function<DraftFault(std::uint64_t step)> fault = nullptr;
  absl::Status error = absl::InternalError("fake drafter: scripted error");
  // Silence moves this clock by the timeout instead of waiting. May be null; must outlive.
  FakeClock* clock = nullptr;

  // As in FakeVerifierOptions.
  std::shared_ptr<CallTrace> trace = nullptr;
  std::function<void(const std::string& call)> on_call = nullptr;
  // What each session opens with. May be null.
  std::function<void(const gateway::OpenDrafting& open)> on_open = nullptr;
  // Each step as it is sent. May be null.
  std::function<void(const gateway::DraftStep& step)> on_step = nullptr;
};

// What a drafter with `options` answers to `proposal` in step `step`, faults that change the tree
// included. Not always a valid tree. The right path's nodes come first among their siblings.
DraftTree FakeDraft(const FakeDrafterOptions& options, std::uint64_t step,
                    const gateway::Proposal& proposal, DraftFault fault);

// Receive never waits: silence, and a step that asked for no tree, are DeadlineExceeded at once.
// Threads: any. Sessions may outlive it.
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
