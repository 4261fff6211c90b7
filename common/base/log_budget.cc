#include "common/base/log_budget.h"

#include <utility>

namespace recycling {

std::optional<std::uint64_t> LogBudget::Take(absl::Duration now) {
  MutexLock lock(mutex_);
  if (now >= window_end_) {
    window_end_ = now + window_;
    left_ = lines_;
  }
  if (left_ <= 0) {
    ++left_out_;
    return std::nullopt;
  }
  --left_;
  return std::exchange(left_out_, 0);
}

}  // namespace recycling
