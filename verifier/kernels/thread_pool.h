#ifndef RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_
#define RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace recycling::verifier {

// Workers that wait for loops to share. Which worker runs which task is open, so a task's result
// must not depend on it. Not thread-safe: one caller at a time.
class ThreadPool {
 public:
  // Starts threads - 1 workers (the caller is the other one); fewer if the system refuses them.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Calls run(task, worker) once for every task in [0, tasks); workers are in [0, threads()) and
  // run one task at a time. Returns when all are done.
  void Run(std::size_t tasks, absl::FunctionRef<void(std::size_t task, std::size_t worker)> run);

  std::size_t threads() const { return workers_.size() + 1; }

 private:
  void Work(std::size_t worker);
  void TakeTasks(std::size_t worker);

  // Set by Run while workers are idle, published by generation_.
  const absl::FunctionRef<void(std::size_t, std::size_t)>* run_ = nullptr;
  std::size_t tasks_ = 0;
  std::atomic<std::size_t> next_task_{0};
  std::atomic<std::uint32_t> generation_{0};  // changes when there is work, or the end
  std::atomic<std::uint32_t> busy_{0};        // workers that have not finished this generation
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_
