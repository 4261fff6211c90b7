#ifndef RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_
#define RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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
  // are in [0, threads()) and run one task at a time. Returns when all are done. Each worker begins
  // with a share of neighbouring tasks of its own, in ascending order, the same share in each loop
  // of as many tasks; so memory that it reads, or wrote in an earlier loop, is one long run. A
  // worker without tasks takes the last one of the longest share.
  void Run(std::size_t tasks, absl::FunctionRef<void(std::size_t task, std::size_t worker)> run);

  std::size_t threads() const { return workers_.size() + 1; }

 private:
  static constexpr std::uint32_t kStop = 0xffffffff;
  static constexpr std::size_t kCacheLine = 64;

  explicit ThreadPool(bool waits_awake) : waits_awake_(waits_awake) {}

  // Tasks [first, end) that nobody has taken, in one word.
  static std::uint64_t Tasks(std::uint64_t first, std::uint64_t end) { return first << 32 | end; }
  static std::uint32_t First(std::uint64_t tasks) {
    return static_cast<std::uint32_t>(tasks >> 32);
  }
  static std::uint32_t End(std::uint64_t tasks) { return static_cast<std::uint32_t>(tasks); }
  static std::uint32_t Left(std::uint64_t tasks) { return End(tasks) - First(tasks); }

  struct alignas(kCacheLine) Share {
    std::atomic<std::uint64_t> tasks{0};
  };

  // What a worker does until the pool stops.
  void Work(std::size_t worker);
  // Runs tasks of the loop under way, if there is one, until nobody has any to give.
  void RunTasks(std::size_t worker);
  void RunTask(std::uint32_t task, std::size_t worker);
  static std::optional<std::uint32_t> TakeFirst(Share& share);
  static std::optional<std::uint32_t> TakeLast(Share& share);
  // Returns soon after `value` has become other than `old`. If it becomes `old` again at once, Wait
  // may miss that and go on waiting.
  void Wait(const std::atomic<std::uint32_t>& value, std::uint32_t old) const;

  // The loop under way. Run sets it and then publishes it with the shares; a thread reads it after
  // it has taken a task. Run waits for taken tasks only, never for a worker that still sleeps. Such
  // a worker may wake up in a later loop, and take part in that.
  const absl::FunctionRef<void(std::size_t, std::size_t)>* run_ = nullptr;
  std::unique_ptr<Share[]> shares_;                          // [threads]
  alignas(kCacheLine) std::atomic<std::uint32_t> loops_{0};  // counts Run, or kStop
  alignas(kCacheLine) std::atomic<std::uint32_t> unfinished_{0};
  alignas(kCacheLine) const bool waits_awake_;
  std::vector<std::thread> workers_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_
