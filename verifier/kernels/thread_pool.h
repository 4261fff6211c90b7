#ifndef RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_
#define RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace recycling::verifier {

// Threads that share the tasks of a loop. Any thread may run any task, so the result of a task must
// not depend on the thread. Between loops that follow each other closely, as in a pass, workers
// stay awake. A worker that finds no task for about 50 us sleeps. If there are more threads than
// processors, workers sleep at once. Not thread-safe: one caller at a time.
class ThreadPool {
 public:
  // Starts threads - 1 workers; the caller of Run is the last thread. Requires threads >= 1.
  // ResourceExhausted, with the number of threads that could be had, if the system refuses one.
  static absl::StatusOr<std::unique_ptr<ThreadPool>> Create(int threads);

  // Stops the workers and waits for them. No Run may be under way.
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

  explicit ThreadPool(bool waits_awake) : waits_awake_(waits_awake) {}

  // What a worker does until the pool stops.
  void Work(std::size_t worker);
  // Takes the last of `untaken` tasks and runs it. Does nothing if the number of untaken tasks has
  // changed meanwhile.
  void TryTask(std::uint32_t untaken, std::size_t worker);
  // Returns soon after `value` has become other than `old`. If it becomes `old` again at once, Wait
  // may miss that and go on waiting.
  void Wait(const std::atomic<std::uint32_t>& value, std::uint32_t old) const;

  // The loop under way. Run sets it and then publishes it with untaken_; a thread reads it after it
  // has taken a task. Run waits for taken tasks only, never for a worker that still sleeps.
  const absl::FunctionRef<void(std::size_t, std::size_t)>* run_ = nullptr;
  alignas(kCacheLine) std::atomic<std::uint32_t> untaken_{0};  // tasks not taken yet, or kStop
  alignas(kCacheLine) std::atomic<std::uint32_t> unfinished_{0};
  alignas(kCacheLine) const bool waits_awake_;
  std::vector<std::thread> workers_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_
