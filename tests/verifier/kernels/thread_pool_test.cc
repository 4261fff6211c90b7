#include "verifier/kernels/thread_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "tests/verifier/kernels/no_new_threads.h"

namespace recycling::verifier {
namespace {

TEST(ThreadPoolTest, RunsEveryTaskOnceAndReturnsAfterTheLast) {
  for (int threads = 1; threads <= 5; ++threads) {
    const auto created = ThreadPool::Create(threads);
    ASSERT_TRUE(created.ok()) << created.status();
    ThreadPool& pool = **created;
    ASSERT_EQ(pool.threads(), static_cast<std::size_t>(threads));
    for (std::size_t tasks = 0; tasks < 200; ++tasks) {
      std::vector<int> runs(tasks, 0);
      std::vector<std::atomic<int>> running(pool.threads());
      std::atomic<int> wrong{0};
      pool.Run(tasks, [&](std::size_t task, std::size_t worker) {
        if (running[worker].fetch_add(1) != 0) wrong.fetch_add(1);
        ++runs[task];
        running[worker].fetch_sub(1);
      });
      ASSERT_EQ(runs, std::vector<int>(tasks, 1)) << threads << " threads";
      ASSERT_EQ(wrong.load(), 0);
    }
  }
}

// Runs many short loops with pauses of different lengths between them. So a loop begins while
// workers spin, while they begin to sleep or while they sleep.
TEST(ThreadPoolTest, WorkersThatSleepMissNoLoop) {
  for (const int threads : {2, 3, 16}) {
    const auto created = ThreadPool::Create(threads);
    ASSERT_TRUE(created.ok()) << created.status();
    ThreadPool& pool = **created;
    std::vector<std::size_t> sums(64, 0);
    std::size_t expected = 0;
    for (std::size_t loop = 1; loop <= 2000; ++loop) {
      const std::size_t tasks = 2 + loop % 63;
      for (std::size_t wait = 0; wait < (loop % 11 == 0 ? 40000U : loop % 100); ++wait) {
        std::atomic_signal_fence(std::memory_order_seq_cst);
      }
      pool.Run(tasks, [&](std::size_t task, std::size_t) { sums[task] += loop; });
      for (std::size_t task = 0; task < tasks; ++task) expected += loop;
    }
    std::size_t sum = 0;
    for (const std::size_t s : sums) sum += s;
    ASSERT_EQ(sum, expected) << threads << " threads";
  }
}

TEST(ThreadPoolTest, FailsIfTheSystemRefusesAThread) {
  const NoNewThreads no_new_threads;
  ASSERT_TRUE(no_new_threads.works());
  const absl::Status refused = ThreadPool::Create(4).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()),
              testing::HasSubstr("threads: got 1 from the system, expected 4"));
  EXPECT_TRUE(ThreadPool::Create(1).ok()) << "a pool of one thread starts no thread";
}

}  // namespace
}  // namespace recycling::verifier
