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

// A fixed number of threads that begin the submitted tasks in the order of submission. The
// destructor waits until all of them have run. Threads: any.
class WorkerPool {
 public:
  // Starts one thread; throws std::system_error if the system cannot start one.
  using StartThread = std::function<std::thread(std::function<void()>)>;

  // `threads` is at least 1. Returns ResourceExhausted if the system gives fewer threads. With
  // fewer threads, admitted requests would wait in this pool, where no metric counts them. Tests
  // replace `start`.
  static absl::StatusOr<std::unique_ptr<WorkerPool>> Create(
      int threads, const StartThread& start = [](std::function<void()> run) {
        return std::thread(std::move(run));
      });
  ~WorkerPool();

  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Never blocks. Once destruction has begun, only a running task may call it.
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
