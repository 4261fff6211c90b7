#include "gateway/front/worker_pool.h"

#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace recycling::gateway {

absl::StatusOr<std::unique_ptr<WorkerPool>> WorkerPool::Create(int threads,
                                                               const StartThread& start) {
  std::unique_ptr<WorkerPool> pool(new WorkerPool);
  for (int i = 0; i < threads; ++i) {
    try {
      pool->threads_.push_back(start([pool = pool.get()] { pool->Work(); }));
    } catch (const std::system_error& error) {
      return absl::ResourceExhaustedError(
          absl::StrCat("threads: got ", i, ", expected ", threads, ": ", error.what()));
    }
  }
  return pool;
}

WorkerPool::~WorkerPool() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
    changed_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Submit(std::function<void()> task) {
  MutexLock lock(mutex_);
  tasks_.push_back(std::move(task));
  changed_.NotifyOne();
}

void WorkerPool::Work() {
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (tasks_.empty() && !stop_) changed_.Wait(mutex_);
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace recycling::gateway
