// A verifier in memory whose model is a ToyModel and whose failures are chosen by the test.
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
  kError,        // answers with FakeVerifierOptions::error
  kSilent,       // never answers: returns when cancelled, or at once if the session has a deadline
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
  std::uint32_t page_tokens = 64;  // in the handshake; the fake keeps no pages
  std::string numerics_id = "toy";
  std::string address = "fake-verifier";
  absl::Duration inside;                      // the time of a step, as its answer states it
  absl::Duration forward;                     // the part of it in the forward pass
  std::vector<gateway::PassCost> pass_costs;  // in every answer
  gateway::OtherLoad others;                  // in every answer to a step
  // The most nodes of a tree that a step verifies, as if other sequences took the remaining room.
  std::optional<int> most_verified = std::nullopt;

  // Fault of each verify step, by its number; null: none.
  std::function<VerifierFault(std::uint64_t step)> fault = nullptr;
  absl::Status error = absl::UnavailableError("fake verifier: scripted error");
  absl::Status open_error = absl::OkStatus();  // answer to every Open unless OK

  // What leaving() says; null: false.
  std::function<bool()> leaving = nullptr;
  // Called with what every Open asks for; may be null.
  std::function<void(const gateway::OpenSequence& open)> on_open = nullptr;

  // What is called is written here, in the words of call_trace.h; null: nowhere.
  std::shared_ptr<CallTrace> trace = nullptr;
  // Called with the same words before the work, on the caller's thread, without a lock: the place
  // for latency, for moving a FakeClock, or for breaking something at a chosen moment. May be null.
  std::function<void(const std::string& call)> on_call = nullptr;
  // Called with the number of a step before the step is answered, and after what the caller of
  // VerifyWhile does meanwhile: the place to withhold an answer. On the caller's thread, without a
  // lock. May be null.
  std::function<void(std::uint64_t step)> on_answer = nullptr;
};

// Checks what a real verifier checks: an empty prompt, unknown tokens, a malformed tree or sampling
// options out of range are InvalidArgument, a wrong base is FailedPrecondition, no free slot is
// ResourceExhausted; a tree for another base is ignored. Threads: any. Sessions may outlive it.
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

// Message of the Unavailable that stands for a stream that was dropped, and of the DeadlineExceeded
// that stands for silence.
inline constexpr char kStreamDropped[] = "fake: stream dropped";
inline constexpr char kSilence[] = "fake: silent";

}  // namespace recycling::doubles

#endif  // RECYCLING_TESTS_DOUBLES_FAKE_VERIFIER_CLIENT_H_
