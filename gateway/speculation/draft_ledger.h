// What running requests share about drafting, and leave to those after them.
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

// Of a step less the time inside the verifier: running means, in which a step weighs at least 1/32
// and counts as at most four times the mean, so that one hiccup moves little.
struct StepOverhead {
  std::optional<absl::Duration> drafted;  // with the draft
  std::optional<absl::Duration> plain;    // without it
};

// The requests of one kind. Threads: any.
class DraftKind {
 public:
  // Faster than this, tokens a second of all its requests together, learning is felt.
  static constexpr double kLearnFreely = 500;

 private:
  friend class DraftPlace;

  // A running mean of microseconds.
  struct Mean {
    double micros = 0;
    int count = 0;  // to 32

    void Add(absl::Duration duration);
    std::optional<absl::Duration> value() const;
  };

  Mutex mutex_;
  Mean drafted_overhead_ ABSL_GUARDED_BY(mutex_);
  Mean plain_overhead_ ABSL_GUARDED_BY(mutex_);
  Mean paused_step_ ABSL_GUARDED_BY(mutex_);
  DraftGuard guard_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;      // that are guarded
  bool taught_ ABSL_GUARDED_BY(mutex_) = false;  // by one of them, in a pause
};

// One running request's place among those of its kind; what it holds is free when this is
// destroyed. Threads: one.
class DraftPlace {
 public:
  // `guarded`: it goes by the guard, and counts among those that do.
  DraftPlace(std::shared_ptr<DraftKind> kind, bool guarded);
  ~DraftPlace();
  DraftPlace(const DraftPlace&) = delete;
  DraftPlace& operator=(const DraftPlace&) = delete;

  StepOverhead overhead() const;
  // A step took `plain` beyond verifier and drafting, and `drafted` with the draft it waited for.
  void RecordOverhead(absl::Duration plain, std::optional<absl::Duration> drafted);

  // The guard of all of them; see DraftGuard. A step that asked and is not followed by Asked before
  // the next Ask tells nothing, nor does Asked of a step that did not ask here.
  bool paused() const;
  bool Ask();
  void Asked(int tokens, absl::Duration took, absl::Duration plain, double other_tokens);
  void Paused(absl::Duration took, double other_tokens);

  // Whether to teach the drafter in a pause. Where that is felt one request does at a time, so that
  // what it costs does not grow with their number: this one, once it was told so.
  bool Teach();

 private:
  void TellNothing() ABSL_EXCLUSIVE_LOCKS_REQUIRED(kind_->mutex_);

  const std::shared_ptr<DraftKind> kind_;
  const bool guarded_;
  bool asked_ = false;
  bool teaches_ = false;
};

// The kinds, by name. Remembers `capacity` of them; the one used least recently makes room, and
// whoever runs keeps it. Threads: any.
class DraftLedger {
 public:
  explicit DraftLedger(std::size_t capacity = 1024) : capacity_(capacity) {}

  // Made if there is none.
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
