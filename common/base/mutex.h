// std::mutex and std::condition_variable with clang's thread safety annotations. The code uses them
// instead of absl::Mutex, because ThreadSanitizer cannot see into the distribution's abseil.
#ifndef RECYCLING_COMMON_BASE_MUTEX_H_
#define RECYCLING_COMMON_BASE_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"

namespace recycling {

// Mark the members that the mutex guards with ABSL_GUARDED_BY.
class ABSL_LOCKABLE Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mu_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mu_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

// Holds the lock on `mutex` from its construction to its destruction.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }

  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A wait may end without a notification. So wait in a loop that checks the condition.
class CondVar {
 public:
  // Unlocks `mutex`, waits for a notification, locks it again.
  void Wait(Mutex& mutex) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mu_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }

  // The same for at most `timeout`, which may be infinite. Returns false if `timeout` passed
  // without a notification.
  bool WaitFor(Mutex& mutex, absl::Duration timeout) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    constexpr absl::Duration kForever = absl::Hours(24 * 365);  // chrono can add this to now
    std::unique_lock<std::mutex> lock(mutex.mu_, std::adopt_lock);
    const auto result =
        cv_.wait_for(lock, absl::ToChronoNanoseconds(timeout < kForever ? timeout : kForever));
    lock.release();
    return result == std::cv_status::no_timeout;
  }

  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_MUTEX_H_
