#include "verifier/kernels/thread_pool.h"

#include <system_error>

namespace recycling::verifier {

ThreadPool::ThreadPool(int threads) {
  for (int i = 1; i < threads; ++i) {
    try {
      workers_.emplace_back([this, i] { Work(static_cast<std::size_t>(i)); });
    } catch (const std::system_error&) {
      return;  // the system has no more threads; fewer do the same work
    }
  }
}

ThreadPool::~ThreadPool() {
  untaken_.store(kStop);
  untaken_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Run(std::size_t tasks, absl::FunctionRef<void(std::size_t, std::size_t)> run) {
  if (workers_.empty() || tasks <= 1) {
    for (std::size_t task = 0; task < tasks; ++task) run(task, 0);
    return;
  }
  run_ = &run;
  unfinished_.store(static_cast<std::uint32_t>(tasks), std::memory_order_relaxed);
  untaken_.store(static_cast<std::uint32_t>(tasks), std::memory_order_release);
  untaken_.notify_all();
  while (const std::uint32_t untaken = untaken_.load(std::memory_order_acquire)) {
    TryTask(untaken, 0);
  }
  while (const std::uint32_t unfinished = unfinished_.load(std::memory_order_acquire)) {
    unfinished_.wait(unfinished, std::memory_order_acquire);
  }
}

void ThreadPool::Work(std::size_t worker) {
  for (;;) {
    const std::uint32_t untaken = untaken_.load(std::memory_order_acquire);
    if (untaken == kStop) return;
    if (untaken == 0) {
      untaken_.wait(0, std::memory_order_acquire);
    } else {
      TryTask(untaken, worker);
    }
  }
}

void ThreadPool::TryTask(std::uint32_t untaken, std::size_t worker) {
  if (!untaken_.compare_exchange_weak(untaken, untaken - 1, std::memory_order_acq_rel)) return;
  (*run_)(untaken - 1, worker);
  if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
}

}  // namespace recycling::verifier
