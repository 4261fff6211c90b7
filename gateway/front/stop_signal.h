#ifndef RECYCLING_GATEWAY_FRONT_STOP_SIGNAL_H_
#define RECYCLING_GATEWAY_FRONT_STOP_SIGNAL_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "common/base/mutex.h"

namespace recycling::gateway {

// Tells one request, which waits or decodes, to stop early. Threads: any.
class StopSignal {
 public:
  // `stop` is called, without a lock, when the request is to stop; at once if it is already. It
  // replaces the function given before; null: none.
  void OnStop(std::function<void()> stop) {
    bool stopped = false;
    {
      MutexLock lock(mutex_);
      stopped = stopped_;
      stop_ = stop;
    }
    if (stopped && stop) stop();
  }

  // Stops the request. If `why` is an error and the first one, the request ends with it; otherwise
  // with what comes of stopping.
  void Stop(const absl::Status& why) {
    std::function<void()> stop;
    {
      MutexLock lock(mutex_);
      if (settled_) return;
      stopped_ = true;
      if (why_.ok()) why_ = why;
      stop = stop_;
    }
    if (stop) stop();
  }

  bool stopped() const {
    MutexLock lock(mutex_);
    return stopped_;
  }

  // The request has ended. Returns the error that Stop was given, else `status`. From now on Stop
  // does nothing.
  absl::Status Settle(const absl::Status& status) {
    MutexLock lock(mutex_);
    settled_ = true;
    stop_ = nullptr;
    return why_.ok() ? status : why_;
  }

 private:
  mutable Mutex mutex_;
  std::function<void()> stop_ ABSL_GUARDED_BY(mutex_);
  absl::Status why_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool settled_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_STOP_SIGNAL_H_
