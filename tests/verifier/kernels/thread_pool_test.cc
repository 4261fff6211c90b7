#include "verifier/kernels/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace recycling::verifier {
namespace {

TEST(ThreadPoolTest, RunsEveryTaskOnceAndReturnsAfterTheLast) {
  for (int threads = 1; threads <= 5; ++threads) {
    ThreadPool pool(threads);
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

}  // namespace
}  // namespace recycling::verifier
