// Decides which requests may begin. It is a bounded queue before the decode loops. It has no clock
// and no threads: the caller gives it the time and the number of requests that may run.
//  1. A request runs, waits, or is refused. Nothing is kept of a request that has ended or was
//     refused.
//  2. At most max_queue requests with max_queue_bytes bytes wait. If there are more, the newest
//     request of the tenant that takes the most of the queue is refused, as often as needed. So one
//     tenant alone may fill the queue. It loses its newest requests when requests of other tenants
//     arrive.
//  3. Tenants take turns (round robin). Within a tenant the request that came first begins first.
//  4. Requests of a tenant that has reached its own concurrency wait. They do not delay other
//     tenants.
//  5. Every refusal has a retry delay, unless the request's own deadline or its client ended the
//     wait.
#ifndef RECYCLING_GATEWAY_FRONT_ADMISSION_H_
#define RECYCLING_GATEWAY_FRONT_ADMISSION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/auth/tenant_limits.h"

namespace recycling::gateway {

struct AdmissionOptions {
  int max_queue = 256;                               // requests that may wait; 0: none
  std::uint64_t max_queue_bytes = 64 << 20;          // of all waiting requests together
  absl::Duration queue_timeout = absl::Seconds(30);  // longest wait, above 0
};

// Why a request did not begin. kCount is their number.
enum class RefusalReason {
  kQueueFull,     // ResourceExhausted
  kQueueTimeout,  // ResourceExhausted
  kRate,          // ResourceExhausted: the tenant's requests per second
  kDraining,      // Unavailable
  kDeadline,      // DeadlineExceeded: its own deadline passed while it waited
  kCancelled,     // Cancelled: the client cancelled while it waited
  kCount
};

struct Refusal {
  RefusalReason reason = RefusalReason::kQueueFull;
  absl::Status status;
};

// Times are Clock::Monotonic(). Threads: one at a time.
class Admission {
 public:
  using Ticket = std::uint64_t;  // never used twice

  struct Arrival {
    std::string tenant;
    TenantLimits limits;      // the newest arrival's limits hold for all its tenant's requests
    std::uint64_t bytes = 0;  // of memory that the request takes while it waits
    absl::Duration deadline = absl::InfiniteDuration();  // the request's own
  };

  // The requests to start and to refuse, since the last call of Take.
  struct Changes {
    std::vector<Ticket> start;
    std::vector<std::pair<Ticket, Refusal>> refuse;
  };

  explicit Admission(AdmissionOptions options) : options_(options) {}

  // The caller reports a new request. Take says whether it begins or is refused. Otherwise it
  // waits.
  void Arrive(Ticket ticket, const Arrival& arrival, absl::Duration now);

  // The caller reports that a client is gone. If its request still waits, it is refused as
  // cancelled.
  void Leave(Ticket ticket);

  // The caller reports that a request that began has ended.
  void Finish(Ticket ticket, absl::Duration now);

  // Begins a short call of a tenant, or returns why it is refused. A short call needs no verifier,
  // has no ticket and never waits. It counts as one request in the tenant's rate. A tenant may run
  // as many short calls at a time as its concurrency allows.
  std::optional<Refusal> EnterShort(const std::string& tenant, const TenantLimits& limits,
                                    absl::Duration now);

  // The caller reports that a short call that began has ended.
  void ExitShort(const std::string& tenant, absl::Duration now);

  // From now on Take refuses waiting and new requests as Unavailable.
  void Drain() { draining_ = true; }

  // Returns what has changed. Call it after Arrive, Leave, Finish and Drain, when `capacity` has
  // changed, and at NextDue. `capacity` is the number of requests that may run at once now, at
  // least 0. If more requests run, they go on.
  Changes Take(int capacity, absl::Duration now);

  // The time at which the first waiting request must be refused; infinite if no request waits.
  absl::Duration NextDue() const;

  int running() const { return static_cast<int>(running_.size()); }
  int waiting() const { return static_cast<int>(waiting_.size()); }
  // Number of remembered tenants: those that have a request here, or less than their full burst.
  std::size_t tenants() const { return tenants_.size(); }

 private:
  struct Tenant {
    TenantLimits limits;
    std::deque<Ticket> queue;
    std::uint64_t bytes = 0;  // of the queue
    int running = 0;
    int short_calls = 0;
    double tokens = 0;        // requests that the rate allows at once
    absl::Duration refilled;  // when `tokens` was computed
  };
  struct Waiting {
    std::string tenant;
    std::uint64_t bytes = 0;
    absl::Duration since;
    absl::Duration until;       // end of the wait: queue_timeout or its deadline
    bool own_deadline = false;  // `until` is the request's own deadline
  };
  struct Running {
    std::string tenant;
    absl::Duration since;
  };

  Tenant& Known(const std::string& name, const TenantLimits& limits, absl::Duration now);
  std::optional<Refusal> TakeRate(const std::string& name, Tenant& tenant, absl::Duration now);
  bool TakeToken(Tenant& tenant, absl::Duration now);
  void Remove(Ticket ticket);
  void Refuse(Ticket ticket, RefusalReason reason, absl::Status status);
  void RefuseWaiting(Ticket ticket, RefusalReason reason, absl::Status status);
  void Expire(absl::Duration now);
  void Start(Ticket ticket, absl::Duration now);
  std::map<std::string, Tenant>::iterator NextTenant();
  Ticket NewestOfTheLargest() const;
  void Forget(absl::Duration now);
  absl::Duration Pace(int capacity) const;

  const AdmissionOptions options_;
  bool draining_ = false;
  std::map<std::string, Tenant> tenants_;
  std::map<Ticket, Waiting> waiting_;
  std::map<Ticket, Running> running_;
  std::set<std::pair<absl::Duration, Ticket>> due_;  // of waiting_
  std::uint64_t waiting_bytes_ = 0;
  std::string last_;      // the tenant that began last
  absl::Duration usual_;  // moving mean of the durations of requests; 0: none has ended
  Changes changes_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_ADMISSION_H_
