#include "common/base/ticker.h"

#include <gtest/gtest.h>

#include <memory>

#include "common/base/mutex.h"

namespace recycling {
namespace {

class Ticks {
 public:
  void Add() {
    MutexLock lock(mutex_);
    ++count_;
    changed_.NotifyAll();
  }
  void Await(int count) {
    MutexLock lock(mutex_);
    while (count_ < count) changed_.Wait(mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST(TickerTest, TicksAtOnceAndAfterEveryNudge) {
  Ticks ticks;
  Ticker ticker([&] {
    ticks.Add();
    return absl::InfiniteDuration();
  });
  ticks.Await(1);
  ticker.Nudge();
  ticks.Await(2);
  ticker.Nudge();
  ticks.Await(3);
}

TEST(TickerTest, TicksAgainAfterTheReturnedTimeUntilItIsDestroyed) {
  Ticks ticks;
  auto ticker = std::make_unique<Ticker>([&] {
    ticks.Add();
    return absl::Microseconds(1);
  });
  ticks.Await(5);
  ticker.reset();
}

}  // namespace
}  // namespace recycling
