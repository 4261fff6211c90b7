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
  // Calls `stop` when the request must stop, at once if it must stop already. No lock is held.
  // `stop` replaces the function of the last call; null removes it.
  void OnStop(std::function<void()> stop) {
    bool stopped = false;
    {
      MutexLock lock(mutex_);
      stopped = stopped_;
      stop_ = stop;
    }
    if (stopped && stop) stop();
  }

  // Stops the request. The request ends with the first `why` that is an error. Without one it ends
  // with the status that stopping causes.
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

  // The caller reports that the request has ended. Returns the first error that Stop got, else
  // `status`. From now on Stop does nothing.
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
