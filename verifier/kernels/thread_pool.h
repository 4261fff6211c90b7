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
// not depend on the thread. A worker that waits for a loop stays awake for about 50 us and then
// sleeps, so workers stay awake between the loops of a pass. If there are more threads than
// processors, a waiting worker sleeps at once. Not thread-safe: only one thread at a time may call
// Run.
class ThreadPool {
 public:
  // Starts threads - 1 workers; the caller of Run is the last thread. Requires threads >= 1.
  // Returns ResourceExhausted if the system refuses a thread; the message has the number of threads
  // that it gave.
  static absl::StatusOr<std::unique_ptr<ThreadPool>> Create(int threads);

  // Stops the workers and waits for them. No call of Run may be in progress.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Calls run(task, worker) once for every task in [0, tasks) and returns when all tasks are done.
  // `tasks` must be less than 2^32 - 1. `worker` is in [0, threads()); a worker runs one task at a
  // time. Each worker first runs its own share of neighbouring tasks, in ascending order. Loops
  // with the same number of tasks have the same shares, so a worker reads and writes long runs of
  // memory, and often memory that it wrote in an earlier loop. A worker whose share is empty takes
  // the last task of the longest share.
  void Run(std::size_t tasks, absl::FunctionRef<void(std::size_t task, std::size_t worker)> run);

  std::size_t threads() const { return workers_.size() + 1; }

 private:
  static constexpr std::uint32_t kStop = 0xffffffff;
  static constexpr std::size_t kCacheLine = 64;

  explicit ThreadPool(bool waits_awake) : waits_awake_(waits_awake) {}

  // Tasks [first, end) that nobody has taken, as one 64-bit number.
  static std::uint64_t Tasks(std::uint64_t first, std::uint64_t end) { return first << 32 | end; }
  static std::uint32_t First(std::uint64_t tasks) {
    return static_cast<std::uint32_t>(tasks >> 32);
  }
  static std::uint32_t End(std::uint64_t tasks) { return static_cast<std::uint32_t>(tasks); }
  static std::uint32_t Left(std::uint64_t tasks) { return End(tasks) - First(tasks); }

  struct alignas(kCacheLine) Share {
    std::atomic<std::uint64_t> tasks{0};
  };

  // The loop of a worker thread. Returns when the pool stops.
  void Work(std::size_t worker);
  // Runs tasks of the current loop until no share has a task left.
  void RunTasks(std::size_t worker);
  // Reports that this many tasks are finished.
  void Finish(std::uint32_t tasks);
  static std::optional<std::uint32_t> TakeFirst(Share& share);
  static std::optional<std::uint32_t> TakeLast(Share& share);
  // Waits until `value` differs from `old`. If `value` changes and becomes `old` again at once,
  // Wait may miss the change and continue to wait.
  void Wait(const std::atomic<std::uint32_t>& value, std::uint32_t old) const;

  // The function of the current loop. Run sets it before it publishes the shares; a thread reads it
  // after it has taken a task. Run waits until all tasks are done, but not until every worker has
  // woken up. A worker may wake up in a later loop and take part in that one.
  const absl::FunctionRef<void(std::size_t, std::size_t)>* run_ = nullptr;
  std::unique_ptr<Share[]> shares_;                          // [threads]
  alignas(kCacheLine) std::atomic<std::uint32_t> loops_{0};  // number of the loop, or kStop
  alignas(kCacheLine) std::atomic<std::uint32_t> unfinished_{0};
  alignas(kCacheLine) const bool waits_awake_;
  std::vector<std::thread> workers_;
};

}  // namespace recycling::verifier

#endif  // RECYCLING_VERIFIER_KERNELS_THREAD_POOL_H_
