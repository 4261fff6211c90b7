#ifndef RECYCLING_GATEWAY_FRONT_WORKER_POOL_H_
#define RECYCLING_GATEWAY_FRONT_WORKER_POOL_H_

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/mutex.h"

namespace recycling::gateway {

// A fixed number of threads that run what is submitted, in the order of submission. The destructor
// runs what is still queued and waits for it. Threads: any.
class WorkerPool {
 public:
  // Starts one thread; throws std::system_error where the system has none left.
  using StartThread = std::function<std::thread(std::function<void()>)>;

  // `threads`: at least 1. ResourceExhausted if the system gives fewer threads; with fewer,
  // requests that were admitted would wait here, where nothing counts them. `start` is for tests.
  static absl::StatusOr<std::unique_ptr<WorkerPool>> Create(
      int threads, const StartThread& start = [](std::function<void()> run) {
        return std::thread(std::move(run));
      });
  ~WorkerPool();

  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Never blocks. Not after destruction has begun, except from a running task.
  void Submit(std::function<void()> task);

 private:
  WorkerPool() = default;
  void Work();

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_WORKER_POOL_H_
