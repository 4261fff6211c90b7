// Holds the drafting state that all requests of a kind share, those that run now and those that
// come later.
#ifndef RECYCLING_GATEWAY_SPECULATION_DRAFT_LEDGER_H_
#define RECYCLING_GATEWAY_SPECULATION_DRAFT_LEDGER_H_

#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/base/mutex.h"
#include "gateway/speculation/draft_guard.h"

namespace recycling::gateway {

// Running means of the duration of steps minus the time inside the verifier. A new step has a
// weight of at least 1/32, and its value counts as at most four times the mean. So one slow step
// changes a mean little.
struct StepOverhead {
  // Of steps whose draft came in time, including the time for the draft.
  std::optional<absl::Duration> drafted;
  std::optional<absl::Duration> plain;  // of all steps, without the time for the draft
};

// The shared state of the requests of one kind (README.md). Threads: any.
class DraftKind {
 public:
  // If all requests of the kind together produce more tokens per second than this, sending
  // observations to the drafter takes a noticeable share of the time.
  static constexpr double kLearnFreely = 500;

 private:
  friend class DraftPlace;

  // A running mean of microseconds.
  struct Mean {
    double micros = 0;
    int count = 0;  // at most 32

    void Add(absl::Duration duration);
    std::optional<absl::Duration> value() const;
  };

  Mutex mutex_;
  Mean drafted_overhead_ ABSL_GUARDED_BY(mutex_);
  Mean plain_overhead_ ABSL_GUARDED_BY(mutex_);
  Mean paused_step_ ABSL_GUARDED_BY(mutex_);
  DraftGuard guard_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;  // requests that use the guard
  // True while one request is chosen to teach the drafter in pauses.
  bool taught_ ABSL_GUARDED_BY(mutex_) = false;
};

// One running request's access to the state of its kind. The destructor takes the request out of
// this state: a step that was not reported does not count, the request no longer counts as running,
// and it no longer teaches the drafter. Threads: one.
class DraftPlace {
 public:
  // `guarded`: the request uses the guard, and counts as one of its n running requests.
  DraftPlace(std::shared_ptr<DraftKind> kind, bool guarded);
  ~DraftPlace();
  DraftPlace(const DraftPlace&) = delete;
  DraftPlace& operator=(const DraftPlace&) = delete;

  StepOverhead overhead() const;
  // Reports the overhead of a step. `plain`: the duration of the step minus the time inside the
  // verifier and the time for the draft. `drafted`: the duration minus the time inside the
  // verifier; absent if no draft came.
  void RecordOverhead(absl::Duration plain, std::optional<absl::Duration> drafted);

  // Calls the guard of the kind; see DraftGuard. If Ask returned true and Asked does not follow
  // before the next Ask, the step does not count. Asked does nothing if Ask returned false.
  bool paused() const;
  bool Ask();
  void Asked(int tokens, absl::Duration took, absl::Duration plain, double other_tokens);
  void Paused(absl::Duration took, double other_tokens);

  // Returns whether this request sends its observations to the drafter in a pause. If this takes a
  // noticeable share of the time (kLearnFreely), only one request of the kind does it at a time. A
  // request that was chosen for this continues until it ends.
  bool Teach();

 private:
  void TellNothing() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kind_->mutex_);

  const std::shared_ptr<DraftKind> kind_;
  const bool guarded_;
  bool asked_ = false;
  bool teaches_ = false;
};

// The kinds, by name. It keeps `capacity` kinds and drops the least recently used one. A running
// request keeps its kind even after the ledger has dropped it. Threads: any.
class DraftLedger {
 public:
  explicit DraftLedger(std::size_t capacity = 1024) : capacity_(capacity) {}

  // Returns the kind of this name. Makes one if there is none.
  std::shared_ptr<DraftKind> Kind(const std::string& name);

 private:
  using Entry = std::pair<std::string, std::shared_ptr<DraftKind>>;

  const std::size_t capacity_;
  Mutex mutex_;
  std::list<Entry> kinds_ ABSL_GUARDED_BY(mutex_);  // the most recently used first
  std::map<std::string, std::list<Entry>::iterator> places_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_DRAFT_LEDGER_H_
