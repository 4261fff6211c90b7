// A thread that calls a function at the times that the function itself asks for.
#ifndef RECYCLING_COMMON_BASE_TICKER_H_
#define RECYCLING_COMMON_BASE_TICKER_H_

#include <functional>
#include <thread>

#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling {

// Threads: any.
class Ticker {
 public:
  // Calls `tick` on a thread of its own: at once, then after each Nudge, and each time the duration
  // that the last call returned has passed (infinite: never). The destructor stops it.
  explicit Ticker(std::function<absl::Duration()> tick);
  ~Ticker();

  // Waits for a call that is running. Afterwards there are no calls, and Nudge does nothing. May be
  // called again, but not by two threads at once.
  void Stop();

  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  void Nudge();  // makes the thread call `tick` soon

 private:
  void Run();

  const std::function<absl::Duration()> tick_;
  Mutex mutex_;
  CondVar wake_;
  bool nudged_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses everything above
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_TICKER_H_
