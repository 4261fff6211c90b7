#include "gateway/front/worker_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <latch>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

TEST(WorkerPoolTest, EachThreadRunsATaskAtTheSameTime) {
  const auto pool = *WorkerPool::Create(3);
  std::latch together(3);
  std::latch done(3);
  for (int i = 0; i < 3; ++i) {
    pool->Submit([&] {
      together.arrive_and_wait();  // hangs unless all three run at once
      done.count_down();
    });
  }
  done.wait();
}

TEST(WorkerPoolTest, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    const auto pool = *WorkerPool::Create(1);
    for (int i = 0; i < 5; ++i) pool->Submit([&order, i] { order.push_back(i); });
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(WorkerPoolTest, TheDestructorRunsAllQueuedTasks) {
  std::atomic<int> ran = 0;
  {
    const auto pool = *WorkerPool::Create(2);
    for (int i = 0; i < 100; ++i) pool->Submit([&] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

TEST(WorkerPoolTest, IfAThreadCannotStartCreateFailsAndEndsTheOthers) {
  int started = 0;
  std::atomic<int> ended = 0;
  const auto pool = WorkerPool::Create(5, [&](std::function<void()> run) {
    if (started == 3) throw std::system_error(EAGAIN, std::generic_category());
    ++started;
    return std::thread([&ended, run = std::move(run)] {
      run();
      ++ended;
    });
  });
  EXPECT_THAT(pool, doubles::StatusIs(absl::StatusCode::kResourceExhausted,
                                      ::testing::HasSubstr("threads: got 3, expected 5")));
  EXPECT_EQ(ended, 3);
}

}  // namespace
}  // namespace recycling::gateway
