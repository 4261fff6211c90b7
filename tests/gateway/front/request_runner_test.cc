// Tests the runner without a network: the test passes requests to the runner, and a sink in memory
// gets their output.
#include "gateway/front/request_runner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/base/retry_delay.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/fake_verifier_client.h"
#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using doubles::VerifierFault;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A client in memory. It reads its output when the test calls Read(), and it goes away when the
// test calls Leave().
class MemorySink final : public OutputSink {
 public:
  explicit MemorySink(const Clock& clock) : clock_(clock) {}

  void Start(const OutputStart& start) override { Add("start " + start.request_id); }
  void Show(const OutputDelta& delta) override {
    {
      MutexLock lock(mutex_);
      tokens_.insert(tokens_.end(), delta.tokens.begin(), delta.tokens.end());
    }
    Add("show");
  }
  void Finish(const OutputSummary& summary) override {
    Add("finish " + std::to_string(summary.outcome.completion_tokens) + " behind " +
        std::to_string(summary.prompt_tokens));
  }
  void End(const absl::Status& status) override {
    Add("end");
    MutexLock lock(mutex_);
    status_ = status;
    end_at_ = clock_.Monotonic();
    changed_.NotifyAll();
  }

  void OnGone(std::function<void()> gone) override {
    MutexLock lock(mutex_);
    gone_ = std::move(gone);
  }
  UnreadOutput Unread() const override {
    MutexLock lock(mutex_);
    return {.bytes = unread_, .since = since_, .ended = status_.has_value(), .end = end_at_};
  }
  bool Drop(const absl::Status&) override {
    MutexLock lock(mutex_);
    if (dropped_ || (status_.has_value() && unread_ == 0)) return false;
    dropped_ = true;
    unread_ = 0;
    changed_.NotifyAll();
    return true;
  }
  bool done() const override {
    MutexLock lock(mutex_);
    return status_.has_value() && unread_ == 0;
  }

  // The client reads all output so far.
  void Read() {
    MutexLock lock(mutex_);
    unread_ = 0;
  }
  // The client cancels or is lost.
  void Leave() {
    std::function<void()> gone;
    {
      MutexLock lock(mutex_);
      gone = gone_;
    }
    if (gone) gone();
  }

  absl::Status AwaitEnd() {
    MutexLock lock(mutex_);
    while (!status_.has_value()) changed_.Wait(mutex_);
    return *status_;
  }
  void AwaitShown(std::size_t tokens) {
    MutexLock lock(mutex_);
    while (tokens_.size() < tokens) changed_.Wait(mutex_);
  }
  void AwaitDropped() {
    MutexLock lock(mutex_);
    while (!dropped_) changed_.Wait(mutex_);
  }
  std::vector<TokenId> tokens() const {
    MutexLock lock(mutex_);
    return tokens_;
  }
  // The calls that the sink received, without Show.
  std::vector<std::string> calls() const {
    MutexLock lock(mutex_);
    return calls_;
  }

 private:
  void Add(const std::string& call) {
    MutexLock lock(mutex_);
    if (call != "show") calls_.push_back(call);
    if (unread_ == 0) since_ = clock_.Monotonic();
    ++unread_;
    changed_.NotifyAll();
  }

  const Clock& clock_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mutex_);
  std::vector<TokenId> tokens_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> gone_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t unread_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration since_ ABSL_GUARDED_BY(mutex_);
  absl::Duration end_at_ ABSL_GUARDED_BY(mutex_);
  std::optional<absl::Status> status_ ABSL_GUARDED_BY(mutex_);
  bool dropped_ ABSL_GUARDED_BY(mutex_) = false;
};

class OneVerifier final : public VerifierDirectory {
 public:
  absl::StatusOr<std::shared_ptr<VerifierClient>> Pick(const VerifierWish&) override {
    if (lost) return absl::UnavailableError("no verifier");
    return client;
  }
  void Report(const std::string&, const absl::Status&, absl::Duration) override {}
  void Await(absl::Duration at_most, const std::atomic<bool>&) override { on_await(at_most); }
  void Wake() override {}

  std::shared_ptr<VerifierClient> client;
  std::atomic<bool> lost = false;
  std::function<void(absl::Duration)> on_await = [](absl::Duration) {};
};

// Without a drafter each step gives one token, so that tests can count them.
class NoDrafter final : public DrafterDirectory {
 public:
  absl::StatusOr<std::shared_ptr<DrafterClient>> Pick(const std::string&, MatrixScope) override {
    return absl::UnavailableError("no drafter");
  }
  void Report(const std::string&, const absl::Status&) override {}
  bool Judge(const std::string&, const absl::Status&) override { return true; }
};

class RequestRunnerTest : public ::testing::Test {
 protected:
  void Start(doubles::FakeVerifierOptions verifier = {}) {
    fake_ = std::make_shared<doubles::FakeVerifierClient>(std::move(verifier));
    verifiers_.client = fake_;
    ASSERT_THAT(model_.Admit(fake_->info(), [] { return doubles::ToyModel().MakeTokenizerData(); }),
                IsOk());
    auto workers = WorkerPool::Create(options_.max_requests);
    ASSERT_THAT(workers, IsOk());
    runner_ = std::make_unique<RequestRunner>(options_, *std::move(workers), model_, verifiers_,
                                              drafters_, clock_);
  }

  IncomingRequest Request(const std::string& id, std::uint32_t max_tokens = 9) {
    return {.bytes = 100,
            .read = [id, max_tokens]() -> absl::StatusOr<GenerateOptions> {
              GenerateOptions options;
              options.prompt = std::vector<TokenId>{5, 6, 7};
              options.sampling.max_tokens = max_tokens;
              options.request_id = id;
              return options;
            },
            .request_id = [id] { return id; }};
  }
  std::shared_ptr<MemorySink> Run(IncomingRequest request) {
    auto sink = std::make_shared<MemorySink>(clock_);
    runner_->Run(std::move(request), {.tenant = "a"}, sink);
    return sink;
  }
  std::shared_ptr<MemorySink> Run(const std::string& id) { return Run(Request(id)); }

  std::vector<TokenId> Plain(int count) { return doubles::ToyModel().Continue({5, 6, 7}, count); }

  std::uint64_t Refused(RefusalReason reason) {
    return runner_->Stats().queue.refused[static_cast<std::size_t>(reason)];
  }

  doubles::FakeClock clock_;
  RequestRunnerOptions options_;
  ModelReference model_;
  OneVerifier verifiers_;
  NoDrafter drafters_;
  std::shared_ptr<doubles::FakeVerifierClient> fake_;
  std::unique_ptr<RequestRunner> runner_;
};

// Options of a verifier that does not answer step 3.
doubles::FakeVerifierOptions SilentAtStep3() {
  return {.fault = [](std::uint64_t step) {
    return step == 3 ? VerifierFault::kSilent : VerifierFault::kNone;
  }};
}

TEST_F(RequestRunnerTest, TheSinkGetsTheOutputInOrderAndTotalsAndLogCountIt) {
  Start();
  ::testing::internal::CaptureStderr();
  const auto sink = Run("mine");
  EXPECT_THAT(sink->AwaitEnd(), IsOk());
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(sink->tokens(), Plain(9));
  EXPECT_THAT(sink->calls(), ElementsAre("start mine", "finish 9 behind 3", "end"));
  EXPECT_THAT(log, HasSubstr("generate request_id=mine"));
  const RunnerStats stats = runner_->Stats();
  EXPECT_EQ(stats.totals.succeeded, 1u);
  EXPECT_EQ(stats.totals.completion_tokens, 9u);
  EXPECT_EQ(stats.queue.running, 0);
  EXPECT_GT(stats.outputs.bytes, 0u);
  sink->Read();
  EXPECT_EQ(runner_->Stats().outputs.open, 0);
}

TEST_F(RequestRunnerTest, AFullQueueRefusesARequestWithARetryDelay) {
  options_.max_requests = 1;
  options_.admission.max_queue = 0;
  Start(SilentAtStep3());
  const auto runs = Run("runs");
  runs->AwaitShown(3);
  ::testing::internal::CaptureStderr();
  const auto refused = Run("refused");
  const absl::Status status = refused->AwaitEnd();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("generate request_id=refused"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("requests")));
  EXPECT_TRUE(RetryDelay(status).has_value());
  EXPECT_THAT(refused->calls(), ElementsAre("end"));
  EXPECT_EQ(Refused(RefusalReason::kQueueFull), 1u);
  runs->Leave();
  EXPECT_THAT(runs->AwaitEnd(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(RequestRunnerTest, AClientThatLeavesEndsItsRunningOrWaitingRequest) {
  options_.max_requests = 1;
  Start(SilentAtStep3());
  const auto runs = Run("runs");
  runs->AwaitShown(3);
  const auto waits = Run("waits");
  waits->Leave();
  EXPECT_THAT(waits->AwaitEnd(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(Refused(RefusalReason::kCancelled), 1u);
  EXPECT_EQ(fake_->open_sequences(), 1);
  runs->Leave();
  EXPECT_THAT(runs->AwaitEnd(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(fake_->open_sequences(), 0);
  EXPECT_EQ(runner_->Stats().totals.failed, 2u);
}

TEST_F(RequestRunnerTest,
       DrainingRefusesWaitingRequestsAndInterruptsRunningOnesAfterTheGracePeriod) {
  options_.max_requests = 1;
  Start(SilentAtStep3());
  const auto runs = Run("runs");
  runs->AwaitShown(3);
  const auto waits = Run("waits");
  runs->Read();
  waits->Read();
  runner_->Drain();
  EXPECT_THAT(waits->AwaitEnd(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("draining")));
  waits->Read();
  std::thread drain([this] { runner_->DrainWithin(absl::ZeroDuration()); });
  EXPECT_THAT(runs->AwaitEnd(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("grace time")));
  runs->Read();
  drain.join();
  EXPECT_EQ(runs->tokens(), Plain(3));
  EXPECT_EQ(fake_->open_sequences(), 0);
  EXPECT_EQ(runner_->Stats().outputs.open, 0);
}

// In the next three tests a verifier lets the request begin and is lost before the request picks
// it.
TEST_F(RequestRunnerTest, ARequestWhoseVerifierIsLostBeforeItsStartWaitsForAnother) {
  Start();
  verifiers_.lost = true;
  verifiers_.on_await = [this](absl::Duration) { verifiers_.lost = false; };
  const auto sink = Run("mine");
  EXPECT_THAT(sink->AwaitEnd(), IsOk());
  EXPECT_EQ(sink->tokens(), Plain(9));
}

TEST_F(RequestRunnerTest, ARequestWaitsForAnotherVerifierAsLongAsItMayWaitInTheQueue) {
  Start();
  verifiers_.lost = true;
  verifiers_.on_await = [this](absl::Duration at_most) { clock_.Advance(at_most); };
  const absl::Duration begin = clock_.Monotonic();
  EXPECT_THAT(Run("queue")->AwaitEnd(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no verifier")));
  EXPECT_EQ(clock_.Monotonic() - begin, options_.admission.queue_timeout);

  const absl::Duration again = clock_.Monotonic();
  IncomingRequest hasty = Request("hasty");
  hasty.deadline = clock_.Now() + absl::Seconds(1);
  EXPECT_THAT(Run(std::move(hasty))->AwaitEnd(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(clock_.Monotonic() - again, absl::Seconds(1));
}

TEST_F(RequestRunnerTest, AClientThatLeavesEndsTheWaitForAnotherVerifier) {
  Start();
  verifiers_.lost = true;
  const auto sink = std::make_shared<MemorySink>(clock_);
  verifiers_.on_await = [sink](absl::Duration) { sink->Leave(); };
  runner_->Run(Request("leaves"), {.tenant = "a"}, sink);
  EXPECT_THAT(sink->AwaitEnd(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(sink->calls(), ElementsAre("end"));
}

TEST_F(RequestRunnerTest, AnUnreadOutputHoldsNoSlotAndIsDroppedAfterTheTimeout) {
  Start();
  const auto unread = Run("unread");
  EXPECT_THAT(unread->AwaitEnd(), IsOk());
  EXPECT_EQ(fake_->open_sequences(), 0);
  EXPECT_EQ(runner_->Stats().outputs.unread, 1);
  clock_.Advance(options_.readers.timeout);
  unread->AwaitDropped();
  while (runner_->Stats().outputs.dropped == 0) {
  }
  EXPECT_EQ(runner_->Stats().outputs.open, 0);
}

TEST_F(RequestRunnerTest, AnUnreadableRequestEndsWithTheErrorOfTheTransport) {
  Start();
  IncomingRequest request = Request("bad");
  request.read = [] { return absl::InvalidArgumentError("not a request"); };
  ::testing::internal::CaptureStderr();
  const auto sink = Run(std::move(request));
  EXPECT_THAT(sink->AwaitEnd(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("not a request")));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("request_id=bad"));
  EXPECT_THAT(sink->calls(), ElementsAre("end"));
}

TEST_F(RequestRunnerTest, ACallWithoutPermissionIsCountedAndItsSinkEnds) {
  Start();
  MemorySink sink(clock_);
  ::testing::internal::CaptureStderr();
  runner_->RunNotAllowed(Request("stranger"), absl::UnauthenticatedError("no key"), sink);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("reason=unauthenticated"));
  EXPECT_THAT(sink.AwaitEnd(), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(runner_->Stats().totals.unauthenticated, 1u);
  EXPECT_EQ(runner_->Stats().totals.failed, 1u);
}

}  // namespace
}  // namespace recycling::gateway
