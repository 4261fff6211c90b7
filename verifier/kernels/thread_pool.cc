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
  stop_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Run(std::size_t tasks, absl::FunctionRef<void(std::size_t, std::size_t)> run) {
  if (workers_.empty() || tasks <= 1) {
    for (std::size_t task = 0; task < tasks; ++task) run(task, 0);
    return;
  }
  run_ = &run;
  tasks_ = tasks;
  next_task_.store(0, std::memory_order_relaxed);
  busy_.store(static_cast<std::uint32_t>(workers_.size()), std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  TakeTasks(0);
  for (std::uint32_t busy = 0; (busy = busy_.load(std::memory_order_acquire)) != 0;) {
    busy_.wait(busy, std::memory_order_acquire);
  }
}

void ThreadPool::Work(std::size_t worker) {
  for (std::uint32_t seen = 0;;) {
    generation_.wait(seen, std::memory_order_acquire);
    seen = generation_.load(std::memory_order_acquire);
    if (stop_.load(std::memory_order_relaxed)) return;
    TakeTasks(worker);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_.notify_one();
  }
}

void ThreadPool::TakeTasks(std::size_t worker) {
  for (;;) {
    const std::size_t task = next_task_.fetch_add(1, std::memory_order_relaxed);
    if (task >= tasks_) return;
    (*run_)(task, worker);
  }
}

}  // namespace recycling::verifier
