#ifndef RECYCLING_DRAFTER_SERVICE_DRAFTER_COUNTERS_H_
#define RECYCLING_DRAFTER_SERVICE_DRAFTER_COUNTERS_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "common/base/duration_histogram.h"
#include "common/base/mutex.h"

namespace recycling::drafter {

// Sums over all sessions since the drafter started. Threads: any.
class DrafterCounters {
 public:
  struct Snapshot {
    std::uint64_t sessions = 0;      // sessions opened
    std::uint64_t rows_learnt = 0;   // rows of observations and prompts
    std::uint64_t draft_tokens = 0;  // nodes of drafts, without the roots
    DurationHistogram drafts;        // how long each draft took, including the learning before it
  };

  void Opened() { sessions_.fetch_add(1, std::memory_order_relaxed); }
  void Learnt(std::uint64_t rows) { rows_learnt_.fetch_add(rows, std::memory_order_relaxed); }
  void Drafted(std::uint64_t tokens, absl::Duration took) {
    draft_tokens_.fetch_add(tokens, std::memory_order_relaxed);
    MutexLock lock(mutex_);
    drafts_.Add(took);
  }

  Snapshot Read() const {
    Snapshot snapshot{.sessions = sessions_.load(std::memory_order_relaxed),
                      .rows_learnt = rows_learnt_.load(std::memory_order_relaxed),
                      .draft_tokens = draft_tokens_.load(std::memory_order_relaxed),
                      .drafts = {}};
    MutexLock lock(mutex_);
    snapshot.drafts = drafts_;
    return snapshot;
  }

 private:
  std::atomic<std::uint64_t> sessions_{0};
  std::atomic<std::uint64_t> rows_learnt_{0};
  std::atomic<std::uint64_t> draft_tokens_{0};
  mutable Mutex mutex_;
  DurationHistogram drafts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::drafter

#endif  // RECYCLING_DRAFTER_SERVICE_DRAFTER_COUNTERS_H_
