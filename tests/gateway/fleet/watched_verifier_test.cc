#include "gateway/fleet/watched_verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <thread>
#include <vector>

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

class WatchedVerifierTest : public ::testing::Test {
 protected:
  std::unique_ptr<VerifierSession> Open() {
    auto session = verifier_.NewSession(absl::InfiniteFuture(), {});
    EXPECT_THAT(session->Open({.prompt_ids = {5, 6}}), IsOk());
    return session;
  }
  static VerifyStep Step(std::uint64_t step) {
    return {.step = step, .base = static_cast<std::uint32_t>(2 + step)};
  }

  doubles::FakeClock clock_;
  std::function<void()> on_silence_ = [] {};
  std::shared_ptr<VerifierWatch> watch_ = std::make_shared<VerifierWatch>();
  // Answers only step 0.
  WatchedVerifier verifier_{std::make_shared<doubles::FakeVerifierClient>(
                                doubles::FakeVerifierOptions{.fault =
                                                                 [this](std::uint64_t step) {
                                                                   if (step == 0)
                                                                     return VerifierFault::kNone;
                                                                   on_silence_();
                                                                   return VerifierFault::kSilent;
                                                                 }}),
                            watch_, clock_};
};

TEST_F(WatchedVerifierTest, GivingUpEndsACallThatIsNeverAnswered) {
  const auto session = Open();
  ASSERT_THAT(session->Verify(Step(0)), IsOk());
  std::thread giver;
  on_silence_ = [&] {
    giver = std::thread([this] { watch_->GiveUp(absl::DeadlineExceededError("no handshake")); });
  };
  EXPECT_THAT(session->Verify(Step(1)),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("given up: no handshake")));
  giver.join();
}

TEST_F(WatchedVerifierTest, VerifyWhileRunsTheFunctionBetweenTheStepAndItsAnswer) {
  const auto trace = std::make_shared<doubles::CallTrace>();
  WatchedVerifier verifier(
      std::make_shared<doubles::FakeVerifierClient>(doubles::FakeVerifierOptions{
          .trace = trace, .on_answer = [&](std::uint64_t) { trace->Add("answer"); }}),
      watch_, clock_);
  const auto session = verifier.NewSession(absl::InfiniteFuture(), {});
  ASSERT_THAT(session->Open({.prompt_ids = {5, 6}}), IsOk());
  trace->Clear();
  ASSERT_THAT(session->VerifyWhile(Step(0), [&] { trace->Add("meanwhile"); }), IsOk());
  EXPECT_THAT(trace->Calls(), ElementsAre("verifier.verify 0", "meanwhile", "answer"));
}

TEST_F(WatchedVerifierTest, SequencesThatBeginLaterAreNotAffected) {
  const auto before = Open();
  watch_->GiveUp(absl::UnavailableError("gone"));
  EXPECT_THAT(before->Verify(Step(0)), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Open()->Verify(Step(0)), IsOk());
}

TEST_F(WatchedVerifierTest, ACancelledSessionReturnsCancelled) {
  const auto session = Open();
  session->Cancel();
  EXPECT_THAT(session->Verify(Step(0)), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(WatchedVerifierTest, RecordsTheTimeOfTheLastAnswer) {
  EXPECT_LT(watch_->heard(), clock_.Monotonic());
  clock_.Advance(absl::Seconds(1));
  const auto session = Open();
  EXPECT_EQ(watch_->heard(), absl::Seconds(1));
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(session->Verify(Step(0)), IsOk());
  EXPECT_EQ(watch_->heard(), absl::Seconds(2));
}

TEST_F(WatchedVerifierTest, ReportsThatSequencesShouldLeave) {
  EXPECT_FALSE(verifier_.leaving());
  watch_->SetLeaving(true);
  EXPECT_TRUE(verifier_.leaving());
}

// A verifier that runs a pass only when the test calls Pass(). It reports that a full pass of
// kFullRows rows takes kFullPass. Each client has its own thread. Thread-safe.
class SlowVerifier {
 public:
  static constexpr int kFullRows = 64;
  static constexpr absl::Duration kFullPass = absl::Seconds(4);

  explicit SlowVerifier(const Clock& clock)
      : client_(std::make_shared<doubles::FakeVerifierClient>(doubles::FakeVerifierOptions{
                    .pass_costs = {{.rows = kFullRows, .duration = kFullPass}},
                    .on_open =
                        [this](const OpenSequence& open) {
                          Wait(static_cast<int>(open.prompt_ids.size()));
                        },
                    .on_answer = [this](std::uint64_t) { Wait(1); }}),
                watch_, clock) {
    watch_->Greeted(client_.info());
  }
  ~SlowVerifier() {
    LoseNothing();
    for (std::thread& thread : clients_) thread.join();
  }

  // Starts `count` clients. Each opens a prompt of `prompt` tokens and then makes `steps` steps.
  void AddClients(int count, int prompt, int steps) {
    {
      MutexLock lock(mutex_);
      running_ = count;
    }
    for (int i = 0; i < count; ++i) {
      clients_.emplace_back([this, prompt, steps] {
        const absl::Status status = Decode(prompt, steps);
        MutexLock lock(mutex_);
        statuses_.push_back(status);
        --running_;
        changed_.NotifyAll();
      });
    }
  }

  // Waits until all running clients wait for an answer.
  void AwaitCalls() {
    MutexLock lock(mutex_);
    while (static_cast<int>(left_.size()) < running_) changed_.Wait(mutex_);
  }

  // Runs a pass, which gives one row to each waiting call in turn until kFullRows are used. Returns
  // whether a client still runs.
  bool Pass() {
    AwaitCalls();
    MutexLock lock(mutex_);
    for (int row = 0; row < kFullRows && !left_.empty(); ++row) {
      int& left = *left_[static_cast<std::size_t>(turn_++) % left_.size()];
      if (left > 0) --left;
    }
    std::erase_if(left_, [](const int* left) { return *left == 0; });
    changed_.NotifyAll();
    return running_ > 0;
  }

  // Answers every waiting call and every later call at once.
  void LoseNothing() {
    MutexLock lock(mutex_);
    loses_nothing_ = true;
    for (int* left : left_) *left = 0;
    left_.clear();
    changed_.NotifyAll();
  }

  VerifierWatch& watch() { return *watch_; }
  std::vector<absl::Status> statuses() {
    MutexLock lock(mutex_);
    return statuses_;
  }

 private:
  void Wait(int rows) {
    MutexLock lock(mutex_);
    if (loses_nothing_) return;
    left_.push_back(&rows);
    changed_.NotifyAll();
    while (rows > 0) changed_.Wait(mutex_);
  }

  absl::Status Decode(int prompt, int steps) {
    auto session = client_.NewSession(absl::InfiniteFuture(), {});
    const std::vector<TokenId> ids(static_cast<std::size_t>(prompt), 5);
    auto status = session->Open({.prompt_ids = ids}).status();
    for (int step = 0; status.ok() && step < steps; ++step) {
      status = session
                   ->Verify({.step = static_cast<std::uint64_t>(step),
                             .base = static_cast<std::uint32_t>(prompt + step)})
                   .status();
    }
    return status;
  }

  std::shared_ptr<VerifierWatch> watch_ = std::make_shared<VerifierWatch>();
  WatchedVerifier client_;
  std::vector<std::thread> clients_;

  Mutex mutex_;
  CondVar changed_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<int*> left_ ABSL_GUARDED_BY(mutex_);  // remaining rows of each waiting call
  int turn_ ABSL_GUARDED_BY(mutex_) = 0;
  bool loses_nothing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<absl::Status> statuses_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(WatchedVerifierTest, NoneOfSixtyFourClientsGivesUpASlowVerifier) {
  SlowVerifier verifier(clock_);
  verifier.AddClients(/*count=*/64, /*prompt=*/100, /*steps=*/20);
  while (verifier.Pass()) {
    clock_.Advance(SlowVerifier::kFullPass);
    verifier.watch().GiveUpLate(clock_.Monotonic());
  }
  EXPECT_GT(clock_.Monotonic(), absl::Seconds(400))
      << "this is much longer than the bound of one call";
  const std::vector<absl::Status> statuses = verifier.statuses();
  EXPECT_EQ(statuses.size(), 64u);
  for (const absl::Status& status : statuses) EXPECT_THAT(status, IsOk());
}

// Calls GiveUpLate on `watch` every second for 100 s.
std::thread LookForLateOnes(doubles::FakeClock& clock, VerifierWatch& watch) {
  return std::thread([&] {
    for (int i = 0; i < 100; ++i) {
      clock.Advance(absl::Seconds(1));
      watch.GiveUpLate(clock.Monotonic());
    }
  });
}

TEST_F(WatchedVerifierTest, TheSecondLateCheckGivesUpASequenceWhoseStepIsLost) {
  const auto session = Open();
  const auto other = Open();
  std::thread looker;
  on_silence_ = [&] { looker = LookForLateOnes(clock_, *watch_); };
  EXPECT_THAT(session->Verify(Step(1)),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("no answer for 32s, expected one within 30.4s")));
  looker.join();
  EXPECT_THAT(other->Verify(Step(0)), IsOk()) << "this sequence waited for no answer";
}

TEST_F(WatchedVerifierTest, SequencesOfOtherGatewaysLengthenTheWait) {
  VerifierInfo info = verifier_.info();
  info.open_sequences = 64;
  info.pass_costs = {{.rows = 1, .duration = absl::Milliseconds(1)},
                     {.rows = 10, .duration = absl::Milliseconds(500)}};
  watch_->Greeted(info);
  const auto session = Open();
  std::thread looker;
  on_silence_ = [&] { looker = LookForLateOnes(clock_, *watch_); };
  EXPECT_THAT(session->Verify(Step(1)),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("no answer for 45s, expected one within 43s")));
  looker.join();
}

}  // namespace
}  // namespace recycling::gateway
