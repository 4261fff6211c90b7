#ifndef RECYCLING_GATEWAY_WORKER_POOL_H_
#define RECYCLING_GATEWAY_WORKER_POOL_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "common/mutex.h"

namespace recycling::gateway {

// A fixed number of threads that run what is submitted, in the order of submission. The destructor
// runs what is still queued and waits for it. Threads: any.
class WorkerPool {
 public:
  // `threads`: at least 1.
  explicit WorkerPool(int threads);
  ~WorkerPool();

  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Never blocks. Not after destruction has begun, except from a running task.
  void Submit(std::function<void()> task);

 private:
  void Work();

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_WORKER_POOL_H_
