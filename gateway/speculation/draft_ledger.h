// What the requests of a kind share about drafting: those that run now, and those that come later.
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

// What steps take beyond the time inside the verifier, as running means. A step weighs at least
// 1/32 and counts as at most four times the mean, so that one slow step changes a mean little.
struct StepOverhead {
  std::optional<absl::Duration> drafted;  // of steps with a draft, the draft included
  std::optional<absl::Duration> plain;    // the draft left out
};

// The requests of one kind. Threads: any.
class DraftKind {
 public:
  // Tokens a second of all its requests together. Where they are more, teaching the drafter costs a
  // noticeable share of the time.
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
  int running_ ABSL_GUARDED_BY(mutex_) = 0;      // requests that go by the guard
  bool taught_ ABSL_GUARDED_BY(mutex_) = false;  // one of them teaches the drafter in pauses
};

// The place of one running request among those of its kind. The destructor gives back what the
// place holds. Threads: one.
class DraftPlace {
 public:
  // `guarded`: the request goes by the guard, and counts among those that do.
  DraftPlace(std::shared_ptr<DraftKind> kind, bool guarded);
  ~DraftPlace();
  DraftPlace(const DraftPlace&) = delete;
  DraftPlace& operator=(const DraftPlace&) = delete;

  StepOverhead overhead() const;
  // A step took `plain` beyond the verifier and the draft. If it waited for a draft that came, it
  // took `drafted` beyond the verifier.
  void RecordOverhead(absl::Duration plain, std::optional<absl::Duration> drafted);

  // The guard of all requests of the kind; see DraftGuard. A step that asked has nothing to tell if
  // Asked does not follow before the next Ask. Asked does nothing after a step that did not ask.
  bool paused() const;
  bool Ask();
  void Asked(int tokens, absl::Duration took, absl::Duration plain, double other_tokens);
  void Paused(absl::Duration took, double other_tokens);

  // Whether this request teaches the drafter in a pause. Where teaching costs a noticeable share of
  // the time, one request at a time does it, so that the cost does not grow with their number. A
  // request that was told to teach goes on until it ends.
  bool Teach();

 private:
  void TellNothing() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kind_->mutex_);

  const std::shared_ptr<DraftKind> kind_;
  const bool guarded_;
  bool asked_ = false;
  bool teaches_ = false;
};

// The kinds, by name. Remembers `capacity` of them and forgets the one used least recently;
// requests that run keep theirs. Threads: any.
class DraftLedger {
 public:
  explicit DraftLedger(std::size_t capacity = 1024) : capacity_(capacity) {}

  // The kind of this name; makes one if there is none.
  std::shared_ptr<DraftKind> Kind(const std::string& name);

 private:
  using Entry = std::pair<std::string, std::shared_ptr<DraftKind>>;

  const std::size_t capacity_;
  Mutex mutex_;
  std::list<Entry> kinds_ ABSL_GUARDED_BY(mutex_);  // used last first
  std::map<std::string, std::list<Entry>::iterator> places_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_SPECULATION_DRAFT_LEDGER_H_
