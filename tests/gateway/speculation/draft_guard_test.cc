#include "gateway/speculation/draft_guard.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/doubles/fake_clock.h"

namespace recycling::gateway {
namespace {

constexpr absl::Duration kPlain = absl::Milliseconds(1);

// A request whose plain steps take kPlain. The test sets the time of the drafted steps.
class DraftGuardTest : public ::testing::Test {
 protected:
  // Runs one step. If the guard asks for a draft, the step gives `tokens` tokens and takes `took`,
  // otherwise it is plain. Returns whether the guard asked.
  bool Step(int tokens, absl::Duration took) {
    const bool asks = guard_.Ask();
    clock_.Advance(asks ? took : kPlain);
    if (asks) {
      guard_.Asked(tokens, took, kPlain);
      lost_ += took - tokens * kPlain;
      ++asked_;
    } else {
      guard_.Paused(kPlain);
    }
    return asks;
  }

  // Runs plain steps until the guard asks again. Returns their time.
  absl::Duration PauseNow() {
    const absl::Duration begin = clock_.Monotonic();
    while (!guard_.asks()) Step(1, kPlain);
    return clock_.Monotonic() - begin;
  }

  DraftGuard guard_;
  doubles::FakeClock clock_;
  absl::Duration lost_;
  int asked_ = 0;
};

TEST_F(DraftGuardTest, AsksWhileDraftingSavesTime) {
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Step(2, 1.9 * kPlain)) << i;
}

TEST_F(DraftGuardTest, JudgesManyStepsTogether) {
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Step(i % 2 == 0 ? 1 : 3, 1.5 * kPlain)) << i;
}

TEST_F(DraftGuardTest, PausesFiftyTimesAsLongAsTheLoss) {
  while (guard_.asks()) Step(1, 1.125 * kPlain);
  EXPECT_EQ(asked_, 33) << "after 32 steps the loss is four plain steps";
  EXPECT_NEAR(absl::FDivDuration(PauseNow(), kPlain), 4.125 / DraftGuard::kShare, 1);
}

TEST_F(DraftGuardTest, GainsMayBeLostAgainButNotMoreThanTheCredit) {
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(Step(2, 1.5 * kPlain)) << i;
  asked_ = 0;
  while (guard_.asks()) Step(1, 1.125 * kPlain);
  EXPECT_EQ(asked_, (DraftGuard::kCredit + DraftGuard::kStake) / 0.125 + 1);
  EXPECT_NEAR(absl::FDivDuration(PauseNow(), kPlain), 4.125 / DraftGuard::kShare, 1);
}

// A step saves a fifth of a plain step on average, and most steps lose time. Most of the gain is
// lost if the guard pauses often.
TEST_F(DraftGuardTest, RarelyPausesWhileUnevenStepsSaveALittle) {
  constexpr int kSteps = 20000;
  std::mt19937 random(1);
  std::discrete_distribution<int> tokens({0, 0.55, 0.25, 0.10, 0.05, 0.05});
  double mean = 0;
  for (int i = 1; i <= 5; ++i) mean += i * tokens.probabilities()[static_cast<std::size_t>(i)];
  for (int i = 0; i < kSteps; ++i) Step(tokens(random), (mean - 0.2) * kPlain);
  EXPECT_GT(asked_, kSteps * 3 / 4);
  asked_ = 0;
  for (int i = 0; i < kSteps; ++i) Step(tokens(random), (mean + 0.2) * kPlain);
  EXPECT_LT(asked_, kSteps / 20);
}

TEST_F(DraftGuardTest, StopsAtOnceIfOneStepLosesMoreThanTheAllowance) {
  EXPECT_TRUE(Step(2, 10 * kPlain));
  EXPECT_FALSE(guard_.asks());
  EXPECT_NEAR(absl::FDivDuration(PauseNow(), kPlain), 8 / DraftGuard::kShare, 1);
}

TEST_F(DraftGuardTest, PausesGrowWhileProbesLose) {
  while (guard_.asks()) Step(1, 1.125 * kPlain);
  absl::Duration before = PauseNow();
  for (int probe = 0; probe < 5; ++probe) {
    asked_ = 0;
    while (guard_.asks()) Step(1, 1.125 * kPlain);
    EXPECT_EQ(asked_, 33) << "a longer pause does not allow a larger loss";
    const absl::Duration pause = PauseNow();
    EXPECT_GE(pause, 2 * before - kPlain) << probe;
    before = pause;
  }
}

TEST_F(DraftGuardTest, PausesDoNotGrowForEver) {
  for (int i = 0; i < 40; ++i) {
    while (guard_.asks()) Step(1, 1.1 * kPlain);
    EXPECT_LE(PauseNow(), DraftGuard::kLongest + kPlain);
  }
}

TEST_F(DraftGuardTest, LossesAreAtMostTheAllowedShareOfTheTime) {
  for (const double cost : {1.01, 1.1, 1.5, 3.0, 10.0, 100.0}) {
    guard_ = DraftGuard();
    lost_ = absl::ZeroDuration();
    while (guard_.asks()) Step(1, cost * kPlain);
    PauseNow();
    const absl::Duration first = lost_;
    const absl::Duration begin = clock_.Monotonic();
    for (int probe = 0; probe < 10; ++probe) {
      while (guard_.asks()) Step(1, cost * kPlain);
      PauseNow();
    }
    EXPECT_LE(lost_ - first, DraftGuard::kShare * (clock_.Monotonic() - begin)) << cost;
    EXPECT_LE(first, DraftGuard::kStake * kPlain + cost * kPlain) << cost;
  }
}

TEST_F(DraftGuardTest, AProbeThatSavesTimeEndsThePausesAndResetsTheirLength) {
  while (guard_.asks()) Step(1, 3 * kPlain);
  const absl::Duration first = PauseNow();
  EXPECT_GT(first, absl::ZeroDuration());
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Step(2, 1.5 * kPlain)) << i;
  while (guard_.asks()) Step(1, 1.125 * kPlain);
  EXPECT_LT(PauseNow(), first) << "the pause must not be twice the previous one";
}

// Sixteen requests share each pass, and each drafted step makes the pass longer.
TEST_F(DraftGuardTest, ManyRequestsTogetherLoseNoMoreTimeThanOneRequest) {
  constexpr int kRequests = 16;
  absl::Duration first;
  int probes = 0;
  for (int pass = 0; pass < 20000; ++pass) {
    int asked = 0;
    for (int request = 0; request < kRequests; ++request) asked += guard_.Ask() ? 1 : 0;
    const absl::Duration took = kPlain * (1 + 0.02 * asked);
    for (int request = 0; request < kRequests; ++request) {
      if (request < asked) {
        guard_.Asked(1, took, took - 0.02 * kPlain, kRequests - 1);
      } else {
        guard_.Paused(took, kRequests - 1, kRequests);
      }
    }
    clock_.Advance(took);
    lost_ += took - kPlain;
    if (asked == kRequests) first = lost_;
    if (asked > 0 && asked < kRequests) {
      EXPECT_LE(asked, DraftGuard::kProbe);
      ++probes;
    }
  }
  EXPECT_LE(first, (DraftGuard::kStake + 1) * kPlain + 16 * 0.02 * kRequests * kPlain);
  EXPECT_GT(probes, 2);
  EXPECT_LE(lost_ - first, DraftGuard::kShare * (clock_.Monotonic() - absl::Duration()));
}

TEST_F(DraftGuardTest, AProbeRunsFewStepsAtOnceUntilItHasSavedTime) {
  Step(1, 10 * kPlain);
  PauseNow();
  for (int i = 0; i < DraftGuard::kProbe; ++i) EXPECT_TRUE(guard_.Ask());
  EXPECT_FALSE(guard_.Ask());
  guard_.Paused(kPlain);
  EXPECT_FALSE(guard_.Ask());
  guard_.Unasked();
  EXPECT_TRUE(guard_.Ask());
  for (int i = 0; i < 7; ++i) {
    guard_.Asked(2, 1.5 * kPlain, kPlain);
    EXPECT_TRUE(guard_.Ask()) << i;
    EXPECT_FALSE(guard_.Ask()) << i;
  }
  guard_.Asked(2, 1.5 * kPlain, kPlain);  // has saved four plain steps
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(guard_.Ask()) << i;
}

TEST_F(DraftGuardTest, ResultsThatArriveInAPauseDoNotMakeItLonger) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(guard_.Ask());
  guard_.Asked(1, 10 * kPlain, kPlain);
  EXPECT_FALSE(guard_.Ask());
  for (int i = 1; i < 100; ++i) guard_.Asked(1, 10 * kPlain, kPlain);
  EXPECT_NEAR(absl::FDivDuration(PauseNow(), kPlain), 9 / DraftGuard::kShare, 1);
}

// For a lone sequence, two tokens in the time of 1.9 plain steps save time. If three other
// sequences wait meanwhile, the second token saves only a fourth of a plain step.
TEST_F(DraftGuardTest, TheTimeOfOtherSequencesCounts) {
  const auto asked_of = [](double other_tokens, double cost) {
    DraftGuard guard;
    int asked = 0;
    for (; asked < 1000 && guard.asks(); ++asked) {
      guard.Asked(2, cost * kPlain, kPlain, other_tokens);
    }
    return asked;
  };
  EXPECT_EQ(asked_of(0, 1.9), 1000);
  EXPECT_LT(asked_of(3, 1.9), 10);
  EXPECT_LT(asked_of(3, 1.26), 1000);
  EXPECT_EQ(asked_of(3, 1.24), 1000);
}

TEST_F(DraftGuardTest, APauseEndsWhenTheLoadHasHalved) {
  const auto paused = [] {
    DraftGuard guard;
    guard.Asked(2, 8 * kPlain, kPlain, 3);
    EXPECT_FALSE(guard.asks());
    return guard;
  };
  DraftGuard stays = paused();
  stays.Paused(kPlain, 3);
  stays.Paused(kPlain, 1.1);
  EXPECT_FALSE(stays.asks());
  DraftGuard ends = paused();
  ends.Paused(kPlain, 0.9);
  EXPECT_TRUE(ends.asks());
}

TEST_F(DraftGuardTest, DoesNotPauseWhileThePlainCostIsUnknown) {
  for (int i = 0; i < 100; ++i) guard_.Asked(1, absl::Seconds(1), absl::ZeroDuration());
  EXPECT_TRUE(guard_.asks());
}

}  // namespace
}  // namespace recycling::gateway
