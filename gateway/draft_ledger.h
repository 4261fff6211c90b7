#ifndef RECYCLING_GATEWAY_DRAFT_LEDGER_H_
#define RECYCLING_GATEWAY_DRAFT_LEDGER_H_

#include <cstddef>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "common/mutex.h"
#include "gateway/draft_guard.h"

namespace recycling::gateway {

// What requests share: how long steps take beyond the verifier, and how drafting goes, for each
// kind of request, which is its tenant (whose drafter is always the same) and its verifier. Holds
// at most `capacity` entries of each kind; the one used least recently makes room. Threads: any.
class DraftLedger {
 public:
  explicit DraftLedger(std::size_t capacity = 1024) : overheads_(capacity), shared_(capacity) {}

  // Of a step less the time inside the verifier: running means, in which a step weighs at least
  // 1/32 and counts as at most four times the mean, so that one hiccup moves little.
  struct Overhead {
    std::optional<absl::Duration> drafted;  // with the draft
    std::optional<absl::Duration> plain;    // without it
  };
  Overhead overhead(const std::string& kind);
  // A step took `plain` beyond verifier and drafting, and `drafted` with the draft it waited for.
  void RecordOverhead(const std::string& kind, absl::Duration plain,
                      std::optional<absl::Duration> drafted);

  // The guard of all requests of this kind; see DraftGuard.
  bool Ask(const std::string& kind);
  void Asked(const std::string& kind, int tokens, absl::Duration took, absl::Duration plain,
             double other_tokens);
  void Unasked(const std::string& kind);
  bool Pauses(const std::string& kind);  // Ask would be refused
  void Paused(const std::string& kind, absl::Duration took, double other_tokens);

  // In a pause one request of a kind at a time teaches the drafter, so that what learning costs
  // does not grow with their number. True: this one does, until StopTeaching.
  bool Teach(const std::string& kind);
  void StopTeaching(const std::string& kind);

 private:
  // A running mean of microseconds.
  struct Mean {
    double micros = 0;
    int count = 0;  // to 32

    void Add(absl::Duration duration);
    std::optional<absl::Duration> value() const;
  };
  struct Overheads {
    Mean drafted;
    Mean plain;
  };

  template <typename Value>
  class Recent {
   public:
    explicit Recent(std::size_t capacity) : capacity_(capacity) {}

    // The value of `key`, made if there is none, used just now.
    Value& operator[](const std::string& key) {
      if (const auto found = places_.find(key); found != places_.end()) {
        entries_.splice(entries_.begin(), entries_, found->second);
      } else {
        if (entries_.size() >= capacity_) {
          places_.erase(entries_.back().first);
          entries_.pop_back();
        }
        entries_.emplace_front(key, Value());
        places_[key] = entries_.begin();
      }
      return entries_.front().second;
    }

   private:
    const std::size_t capacity_;
    std::list<std::pair<std::string, Value>> entries_;  // used last first
    std::map<std::string, typename std::list<std::pair<std::string, Value>>::iterator> places_;
  };

  struct Shared {
    DraftGuard guard;
    bool taught = false;
  };

  Mutex mutex_;
  Recent<Overheads> overheads_ ABSL_GUARDED_BY(mutex_);
  Recent<Shared> shared_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_DRAFT_LEDGER_H_
