// A thread that does what falls due.
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
  // `tick` is called at once, then whenever what it returned has passed (infinite: not by itself)
  // and after every Nudge, in one thread, until the destructor, which waits for it.
  explicit Ticker(std::function<absl::Duration()> tick);
  ~Ticker();

  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  void Nudge();

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
