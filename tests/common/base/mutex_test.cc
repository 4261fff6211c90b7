#include "common/base/mutex.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace recycling {
namespace {

struct Counter {
  Mutex mu;
  CondVar changed;
  int value ABSL_GUARDED_BY(mu) = 0;
};

TEST(MutexTest, ExcludesOtherThreads) {
  Counter counter;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&counter] {
      for (int i = 0; i < 1000; ++i) {
        MutexLock lock(counter.mu);
        ++counter.value;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  MutexLock lock(counter.mu);
  EXPECT_EQ(counter.value, 4000);
}

TEST(CondVarTest, WaitEndsWithANotificationAndHoldsTheMutex) {
  Counter counter;
  std::thread other([&counter] {
    MutexLock lock(counter.mu);
    counter.value = 1;
    counter.changed.NotifyAll();
  });
  {
    MutexLock lock(counter.mu);
    while (counter.value == 0) counter.changed.Wait(counter.mu);
    EXPECT_EQ(counter.value, 1);
  }
  other.join();
}

TEST(CondVarTest, WaitForReturnsWhetherTheTimeoutPassed) {
  Counter counter;
  {
    MutexLock lock(counter.mu);
    while (counter.changed.WaitFor(counter.mu, absl::Microseconds(1))) {
    }
  }
  std::thread other([&counter] {
    MutexLock lock(counter.mu);
    counter.value = 1;
    counter.changed.NotifyOne();
  });
  {
    MutexLock lock(counter.mu);
    while (counter.value == 0) {
      EXPECT_TRUE(counter.changed.WaitFor(counter.mu, absl::InfiniteDuration()));
    }
  }
  other.join();
}

}  // namespace
}  // namespace recycling
