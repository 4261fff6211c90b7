// The state of the peers of one role: which of them are ready, and how many requests use each.
//  1. A greeting is a handshake. A peer becomes ready when a greeting succeeds. It becomes unready
//     when a greeting fails, or when its work ends because it is gone.
//  2. A ready peer is greeted again every `refresh`, an unready one after growing pauses. A peer
//     has one greeting at a time.
//  3. One greeting that times out does not make a peer unready; two in a row do, unless the peer
//     has answered work since the second one began.
//  4. A peer that answers greetings but fails at work by its own fault is ejected for a growing
//     time (peer_breaker.h). Then it gets one piece of work. If that succeeds, it gets all work
//     again.
#ifndef RECYCLING_GATEWAY_FLEET_PEER_TABLE_H_
#define RECYCLING_GATEWAY_FLEET_PEER_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "gateway/fleet/peer_breaker.h"
#include "gateway/fleet/selection.h"

namespace recycling::gateway {

struct PeerTableOptions {
  absl::Duration refresh = absl::Seconds(2);             // between greetings of a ready peer
  absl::Duration first_retry = absl::Milliseconds(100);  // doubles after every failure
  absl::Duration longest_retry = absl::Seconds(2);
  BreakerOptions breaker;
  // Whether an ejected peer may be picked when no other peer can be.
  bool use_ejected = false;
};

// The state of one peer, as GetStats shows it.
struct PeerStatus {
  std::string address;
  bool ready = false;
  std::string detail;  // why the peer is not ready, or why it is ejected
  int running = 0;     // requests that use it now
  bool ejected = false;
  std::uint64_t failures = 0;   // of its work by its own fault, since the start
  std::uint64_t ejections = 0;  // since the start
  std::string kernel;           // VerifierInfo::kernel of a ready verifier, else empty
};

// A greeting that has begun.
struct PeerGreeting {
  std::string address;
  std::uint64_t peer = 0;  // distinguishes the peer from a later one at this address
  absl::Duration since;    // Clock::Monotonic()
};

// Whether an event made a peer ready or unready. Both flags are false if nothing has changed.
struct PeerChange {
  bool became_ready = false;
  bool became_unready = false;
  absl::Status why;     // why the peer became unready
  int ready_peers = 0;  // after the change
};

// The table holds clients as void pointers; PeerPool knows their type. Threads: any.
class PeerTable {
 public:
  // `clock` must outlive this.
  PeerTable(PeerTableOptions options, const Clock& clock) : options_(options), clock_(clock) {}

  // Adds and removes peers so that there is one for each of `addresses`. Returns the removed
  // addresses.
  std::vector<std::string> SetAddresses(const std::vector<std::string>& addresses);

  // Begins a greeting of every peer that is due. The caller must end each one with Greeted or
  // NotGreeted. These ignore the result if the peer was removed meanwhile.
  std::vector<PeerGreeting> TakeDue();
  // The time until the next greeting is due; at most `refresh`.
  absl::Duration UntilDue() const;
  // Makes every peer due. A peer that is being greeted is greeted once more.
  void GreetAll();

  // The peer answered. `admitted` says whether it takes work: OK, or why not.
  PeerChange Greeted(const PeerGreeting& greeting, std::shared_ptr<void> client,
                     const absl::Status& admitted);

  struct NotGreetedResult {
    PeerChange change;
    bool gone = false;  // false if only one greeting was slow
  };
  // The greeting failed with `error`. `heard` is when the peer last answered work.
  NotGreetedResult NotGreeted(const PeerGreeting& greeting, const absl::Status& error,
                              absl::Duration heard);

  struct NotedResult {
    PeerChange change;
    bool ejected_now = false;
    bool may_go_on = false;  // whether the peer may be asked again: it is known and not ejected
    bool greet_now = false;  // whether the peer became due
  };
  // The caller reports that work at `address`, which began at `since`, ended with `outcome`.
  // `is_fault`: the peer is at fault. `doubt`: Unavailable makes the peer unready, and any error
  // makes a greeting due at once.
  NotedResult Note(const std::string& address, const absl::Status& outcome, bool is_fault,
                   absl::Duration since, bool doubt);

  // Returns the index of one of the peers that are ready and take work, or nothing.
  using Choose = std::function<std::optional<std::size_t>(std::span<const ReadyPeer>,
                                                          std::span<const void* const>)>;
  // Returns the client that `choose` chooses; `choose` is called under the lock. The rest as
  // PeerPool::PickFrom.
  absl::StatusOr<std::shared_ptr<void>> Pick(const Choose& choose);

  // Calls `see`, under the lock, with the client of every peer that is ready and takes work.
  void ForEachReady(const std::function<void(const void*)>& see) const;

  bool AnyReady() const;
  std::vector<PeerStatus> Statuses() const;

  // Ejections since the start, also of peers that have been removed.
  std::uint64_t ejections() const { return ejections_; }

 private:
  struct Peer {
    explicit Peer(const BreakerOptions& options) : breaker(options) {}

    bool takes_work() const { return client != nullptr && error.ok(); }

    std::uint64_t id = 0;
    std::shared_ptr<void> client;                                    // null: not ready
    absl::Status error = absl::UnavailableError("not greeted yet");  // why it is not ready
    PeerBreaker breaker;
    absl::Status failure;         // the last failure of its work
    int running_at_greeting = 0;  // at the last greeting that succeeded
    std::shared_ptr<std::atomic<int>> running = std::make_shared<std::atomic<int>>(0);
    int failures = 0;           // greetings that failed in a row
    std::uint64_t refused = 0;  // greetings that ended with FailedPrecondition
    bool greeting = false;      // whether a greeting runs
    absl::Duration due;         // of the next greeting
  };

  Peer* Find(const PeerGreeting& greeting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PeerChange ChangeOf(const Peer& peer, bool was_ready) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WhyNone() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const PeerTableOptions options_;
  const Clock& clock_;

  mutable Mutex mutex_;
  std::map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);  // by address
  std::uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
  std::atomic<std::uint64_t> ejections_ = 0;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_TABLE_H_
