// A verifier in memory whose model is a ToyModel. The test chooses its failures.
#ifndef RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_CLIENT_H_
#define RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/clients/verifier_client.h"
#include "tests/doubles/call_trace.h"
#include "tests/doubles/toy_model.h"

namespace recycling::doubles {

enum class VerifierFault {
  kNone,
  kError,  // answers with FakeVerifierOptions::error
  // Never answers. The call returns when it is cancelled, or at once if the session has a deadline.
  kSilent,
  kDropped,      // the stream ends without an answer
  kWrongStep,    // answers for another step
  kNoTokens,     // answers without a token
  kUnknownToken  // answers with a token outside the vocabulary
};

struct FakeVerifierOptions {
  std::shared_ptr<const ToyModel> model = std::make_shared<ToyModel>();
  std::uint32_t context_length = 4096;
  std::uint32_t k = 8;
  int max_tree_nodes = 80;
  std::uint32_t max_sequences = 64;
  std::uint32_t page_tokens = 64;  // as stated in the handshake; the fake has no cache
  std::string numerics_id = "toy";
  std::string address = "fake-verifier";
  absl::Duration inside;                      // the time of a step, as its answer states it
  absl::Duration forward;                     // the part of it in the forward pass
  std::vector<gateway::PassCost> pass_costs;  // in every answer
  gateway::OtherLoad others;                  // in every answer to a step
  // The most nodes of a tree that a step verifies, as if other sequences used the rest of the pass.
  std::optional<int> most_verified = std::nullopt;

  // Returns the fault of a verify step. Null: no faults.
  std::function<VerifierFault(std::uint64_t step)> fault = nullptr;
  absl::Status error = absl::UnavailableError("fake verifier: scripted error");
  absl::Status open_error = absl::OkStatus();  // if not OK, the answer to every Open

  // Returns the result of leaving(). Null: false.
  std::function<bool()> leaving = nullptr;
  // Called with the arguments of every Open. May be null.
  std::function<void(const gateway::OpenSequence& open)> on_open = nullptr;

  // The fake adds each call to this trace, in the words of call_trace.h. May be null.
  std::shared_ptr<CallTrace> trace = nullptr;
  // Called with the same words before the fake does the work, on the caller's thread, without a
  // lock. Use it to add latency, to advance a FakeClock, or to break something at a chosen moment.
  // May be null.
  std::function<void(const std::string& call)> on_call = nullptr;
  // Called with the number of a step, after the caller's `meanwhile` function has run and before
  // the step is answered, on the caller's thread, without a lock. Use it to delay an answer. May be
  // null.
  std::function<void(std::uint64_t step)> on_answer = nullptr;
};

// Makes the checks of a real verifier. An empty prompt, an unknown token, a malformed tree or
// sampling options out of range give InvalidArgument. A wrong base gives FailedPrecondition.
// Without a free slot Open gives ResourceExhausted. A tree for another base is ignored. Threads:
// any thread may call it. Sessions may outlive it.
class FakeVerifierClient final : public gateway::VerifierClient {
 public:
  explicit FakeVerifierClient(FakeVerifierOptions options = {});

  std::unique_ptr<gateway::VerifierSession> NewSession(absl::Time deadline,
                                                       const CallOrigin& origin) override;
  const gateway::VerifierInfo& info() const override { return info_; }
  const std::string& address() const override { return options_->address; }

  bool leaving() const override { return options_->leaving != nullptr && options_->leaving(); }

  const FakeVerifierOptions& options() const { return *options_; }
  // Slots that are taken: sessions that were opened and not yet destroyed.
  int open_sequences() const { return *open_sequences_; }

 private:
  const std::shared_ptr<const FakeVerifierOptions> options_;
  const std::shared_ptr<std::atomic<int>> open_sequences_ = std::make_shared<std::atomic<int>>(0);
  gateway::VerifierInfo info_;
};

// The messages of two errors: Unavailable for a dropped stream, and DeadlineExceeded for a silent
// step.
inline constexpr char kStreamDropped[] = "fake: stream dropped";
inline constexpr char kSilence[] = "fake: silent";

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_CLIENT_H_
