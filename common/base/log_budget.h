// Bounds the log lines that unknown callers can cause, so that they cannot fill a disk.
#ifndef RECYCLING_COMMON_BASE_LOG_BUDGET_H_
#define RECYCLING_COMMON_BASE_LOG_BUDGET_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling {

// Allows at most `lines` in a window of time. A window begins with its first line. Threads: any.
class LogBudget {
 public:
  LogBudget(int lines, absl::Duration window) : lines_(lines), window_(window) {}

  // Asks to write one line at the time `now`, from any clock that does not go back. If the line may
  // be written, returns how many lines were left out since the last line that was allowed. Else
  // returns nothing.
  std::optional<std::uint64_t> Take(absl::Duration now);

 private:
  const int lines_;
  const absl::Duration window_;
  Mutex mutex_;
  absl::Duration window_end_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  int left_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace recycling

#endif  // RECYCLING_COMMON_BASE_LOG_BUDGET_H_
