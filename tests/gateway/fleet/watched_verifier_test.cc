#include "gateway/fleet/watched_verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

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
  // Answers step 0 and no other.
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

TEST_F(WatchedVerifierTest, TheCallersWorkIsDoneBetweenTheStepAndItsAnswer) {
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

TEST_F(WatchedVerifierTest, ACancelStaysACancel) {
  const auto session = Open();
  session->Cancel();
  EXPECT_THAT(session->Verify(Step(0)), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(WatchedVerifierTest, AnswersAreSignsOfLife) {
  EXPECT_LT(watch_->heard(), clock_.Monotonic());
  clock_.Advance(absl::Seconds(1));
  const auto session = Open();
  EXPECT_EQ(watch_->heard(), absl::Seconds(1));
  clock_.Advance(absl::Seconds(1));
  EXPECT_THAT(session->Verify(Step(0)), IsOk());
  EXPECT_EQ(watch_->heard(), absl::Seconds(2));
}

TEST_F(WatchedVerifierTest, SaysThatItShouldBeLeft) {
  EXPECT_FALSE(verifier_.leaving());
  watch_->SetLeaving(true);
  EXPECT_TRUE(verifier_.leaving());
}

}  // namespace
}  // namespace recycling::gateway
