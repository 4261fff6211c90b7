#include "gateway/fleet/peer_breaker.h"

#include <gtest/gtest.h>

namespace recycling::gateway {
namespace {

constexpr BreakerOptions kOptions = {.in_a_row = 3,
                                     .window = 10,
                                     .failure_rate = 0.5,
                                     .first = absl::Seconds(5),
                                     .longest = absl::Seconds(40)};

// A breaker, and the time that the tests pass to it.
class PeerBreakerTest : public ::testing::Test {
 protected:
  void Succeed() { breaker_.Succeeded(now_); }
  void Fail() { breaker_.Failed(absl::InfiniteDuration(), now_); }
  void Eject() {
    while (!breaker_.ejected()) Fail();
  }
  // Advances the time until the breaker admits work, and returns the seconds until then.
  int Closed() {
    int seconds = 0;
    for (; !breaker_.admits(now_); ++seconds) now_ += absl::Seconds(1);
    return seconds;
  }

  PeerBreaker breaker_{kOptions};
  absl::Duration now_ = absl::Seconds(1000);
};

TEST_F(PeerBreakerTest, SeveralFailuresInARowEjectThePeer) {
  Fail();
  Fail();
  EXPECT_TRUE(breaker_.admits(now_));
  Fail();
  EXPECT_FALSE(breaker_.admits(now_));
  EXPECT_TRUE(breaker_.ejected());
  EXPECT_EQ(Closed(), 5);
  EXPECT_EQ(breaker_.failures(), 3u);
  EXPECT_EQ(breaker_.ejections(), 1u);
}

TEST_F(PeerBreakerTest, ASuccessResetsTheCountOfFailuresInARow) {
  for (int i = 0; i < 4; ++i) {
    Fail();
    Fail();
    Succeed();
    Succeed();
    Succeed();
  }
  EXPECT_FALSE(breaker_.ejected());
}

TEST_F(PeerBreakerTest, FailuresInHalfOfAFullWindowEjectThePeer) {
  for (int i = 0; i < 4; ++i) {
    Fail();
    Succeed();
  }
  Succeed();
  EXPECT_FALSE(breaker_.ejected()) << "the window is full only with 10 outcomes";
  Fail();
  EXPECT_TRUE(breaker_.ejected());
}

TEST_F(PeerBreakerTest, OneProbeRunsAtATimeAndItsSuccessEndsTheEjection) {
  Eject();
  Closed();
  breaker_.Begin(now_);
  EXPECT_FALSE(breaker_.admits(now_)) << "the probe still runs";
  EXPECT_TRUE(breaker_.ejected());
  Succeed();
  EXPECT_TRUE(breaker_.admits(now_));
  EXPECT_FALSE(breaker_.ejected());
}

TEST_F(PeerBreakerTest, AProbeWithoutAnOutcomeIsRepeated) {
  Eject();
  Closed();
  breaker_.Begin(now_);
  EXPECT_EQ(Closed(), 5);
}

TEST_F(PeerBreakerTest, EveryFailedProbeDoublesTheEjectionTimeUpToABound) {
  Eject();
  for (const int seconds : {5, 10, 20, 40, 40}) {
    EXPECT_EQ(Closed(), seconds);
    breaker_.Begin(now_);
    Fail();
  }
  EXPECT_EQ(breaker_.ejections(), 6u);
}

TEST_F(PeerBreakerTest, ALongTimeWithoutEjectionResetsTheEjectionTime) {
  Eject();
  Closed();
  Succeed();
  now_ += absl::Seconds(39);
  Eject();
  EXPECT_EQ(Closed(), 10);
  Succeed();
  now_ += absl::Seconds(40);
  Eject();
  EXPECT_EQ(Closed(), 5);
}

TEST_F(PeerBreakerTest, SequencesLostTogetherCountAsOneFailure) {
  const absl::Duration began = now_;
  now_ += absl::Seconds(1);
  for (int i = 0; i < 10; ++i) breaker_.Failed(began, now_);
  EXPECT_EQ(breaker_.failures(), 1u);
  EXPECT_FALSE(breaker_.ejected());
  breaker_.Failed(now_ + absl::Seconds(1), now_ + absl::Seconds(2));
  EXPECT_EQ(breaker_.failures(), 2u);
}

TEST_F(PeerBreakerTest, WorkThatEndsDuringAnEjectionChangesNothing) {
  Eject();
  Fail();
  Succeed();
  EXPECT_EQ(Closed(), 5);
}

}  // namespace
}  // namespace recycling::gateway
