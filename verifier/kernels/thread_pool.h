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
// must not depend on it. Between loops that follow each other closely, as in a pass, workers stay
// awake; after about 50 us without work they sleep. Where there are more threads than processors
// nobody waits awake. Not thread-safe: one caller at a time.
class ThreadPool {
 public:
  // Starts threads - 1 workers (the caller is the other one); fewer if the system refuses them.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Calls run(task, worker) once for every task in [0, tasks), tasks less than 2^32 - 1; workers
  // are in [0, threads()) and run one task at a time. Returns when all are done.
  void Run(std::size_t tasks, absl::FunctionRef<void(std::size_t task, std::size_t worker)> run);

  std::size_t threads() const { return workers_.size() + 1; }

 private:
  static constexpr std::uint32_t kStop = 0xffffffff;
  static constexpr std::size_t kCacheLine = 64;

  void Work(std::size_t worker);
  // Takes the last of `untaken` tasks and runs it, if the count is still that.
  void TryTask(std::uint32_t untaken, std::size_t worker);
  // Returns when `value` is no longer `old`, or some time after it was for a moment.
  void Wait(const std::atomic<std::uint32_t>& value, std::uint32_t old) const;

  // The loop under way: set by Run, published by untaken_, read by whoever took a task of it. Run
  // waits for taken tasks only, never for a worker that has not woken up yet.
  const absl::FunctionRef<void(std::size_t, std::size_t)>* run_ = nullptr;
  alignas(kCacheLine) std::atomic<std::uint32_t> untaken_{0};  // tasks nobody has taken, or kStop
  alignas(kCacheLine) std::atomic<std::uint32_t> unfinished_{0};
  alignas(kCacheLine) const bool waits_awake_;
  std::vector<std::thread> workers_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_
