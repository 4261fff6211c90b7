// A bound on lines that anybody may cause, so that strangers cannot fill a disk.
#ifndef RECYCLING_COMMON_BASE_LOG_BUDGET_H_
#define RECYCLING_COMMON_BASE_LOG_BUDGET_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "common/base/mutex.h"

namespace recycling {

// At most `lines` in `window`, which begins with its first line. Threads: any.
class LogBudget {
 public:
  LogBudget(int lines, absl::Duration window) : lines_(lines), window_(window) {}

  // Whether a line may be written at `now`, on any clock that does not go back: how many were left
  // out since the one before, or nothing if this one is to be left out.
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
