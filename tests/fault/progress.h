// Counts the messages and the ends of attempts of all clients. A run without --minutes uses this
// count as its time.
#ifndef RECYCLING_TESTS_FAULT_PROGRESS_H_
#define RECYCLING_TESTS_FAULT_PROGRESS_H_

#include <cstdint>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling::fault {

// Thread-safe, but only one thread at a time may wait.
class Progress {
 public:
  void Add() {
    MutexLock lock(mutex_);
    ++count_;
    if (count_ == awaited_) moved_.NotifyAll();
  }

  std::uint64_t count() const {
    MutexLock lock(mutex_);
    return count_;
  }

  // Waits until the count is at least `at_least`. Returns false after `patience`.
  bool WaitUntil(std::uint64_t at_least, absl::Duration patience) {
    const absl::Time deadline = absl::Now() + patience;
    MutexLock lock(mutex_);
    awaited_ = at_least;
    while (count_ < at_least) {
      const absl::Duration left = deadline - absl::Now();
      if (left <= absl::ZeroDuration()) return false;
      moved_.WaitFor(mutex_, left);
    }
    return true;
  }

 private:
  mutable Mutex mutex_;
  CondVar moved_;
  std::uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t awaited_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace recycling::fault

#endif  // RECYCLING_TESTS_FAULT_PROGRESS_H_
