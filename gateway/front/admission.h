// Who may begin now: a bounded queue in front of the decode loops. Pure: the caller says what time
// it is and how many may run, and has no locks held against it.
//  1. A request runs, waits, or is refused; nothing else remembers it.
//  2. At most max_queue requests and max_queue_bytes bytes wait. What exceeds them is refused at
//     once, from the tenant that takes the most of the queue, the newest first: so one tenant alone
//     may fill the queue, and makes room when others come.
//  3. Tenants take turns (round robin); within a tenant the first to come is the first to begin.
//  4. A tenant at its own concurrency waits without keeping others from beginning.
//  5. Every refusal that may pass says when to try again.
#ifndef RECYCLING_GATEWAY_FRONT_ADMISSION_H_
#define RECYCLING_GATEWAY_FRONT_ADMISSION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/auth/tenant_limits.h"

namespace recycling::gateway {

struct AdmissionOptions {
  int max_queue = 256;                               // requests that wait; 0: none does
  std::uint64_t max_queue_bytes = 64 << 20;          // their messages together
  absl::Duration queue_timeout = absl::Seconds(30);  // longest wait, above 0
};

// Why a request did not begin. kCount is their number.
enum class RefusalReason {
  kQueueFull,     // ResourceExhausted
  kQueueTimeout,  // ResourceExhausted
  kRate,          // ResourceExhausted: the tenant's requests per second
  kDraining,      // Unavailable
  kDeadline,      // DeadlineExceeded: the request's own, while it waited
  kCancelled,     // Cancelled while it waited
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
    TenantLimits limits;      // the newest of a tenant hold for all of it
    std::uint64_t bytes = 0;  // that waiting takes
    absl::Duration deadline = absl::InfiniteDuration();  // the request's own
  };

  // What has become of requests since the last call of Take.
  struct Changes {
    std::vector<Ticket> start;
    std::vector<std::pair<Ticket, Refusal>> refuse;
  };

  explicit Admission(AdmissionOptions options) : options_(options) {}

  // A request has come. Whether it begins, waits or is refused is told by Take.
  void Arrive(Ticket ticket, const Arrival& arrival, absl::Duration now);

  // A client has gone: if its request still waits, it is refused as cancelled.
  void Leave(Ticket ticket);

  // A request that was started has ended.
  void Finish(Ticket ticket, absl::Duration now);

  // Whoever waits and whoever comes from now on is refused as Unavailable.
  void Drain() { draining_ = true; }

  // Call after everything above, and whenever `capacity` has changed or NextDue has come.
  // `capacity`: how many may run at once now, at least 0; what runs beyond it is left to end.
  Changes Take(int capacity, absl::Duration now);

  // When the first that waits runs out of time; infinite if none does.
  absl::Duration NextDue() const;

  int running() const { return static_cast<int>(running_.size()); }
  int waiting() const { return static_cast<int>(waiting_.size()); }
  // Tenants that are remembered: those with a request, or with less than a full burst.
  std::size_t tenants() const { return tenants_.size(); }

 private:
  struct Tenant {
    TenantLimits limits;
    std::deque<Ticket> queue;
    std::uint64_t bytes = 0;  // of the queue
    int running = 0;
    double tokens = 0;        // requests that may come at once
    absl::Duration refilled;  // when `tokens` was so
  };
  struct Waiting {
    std::string tenant;
    std::uint64_t bytes = 0;
    absl::Duration since;
    absl::Duration until;       // the earlier of the two
    bool own_deadline = false;  // `until` is the request's own
  };
  struct Running {
    std::string tenant;
    absl::Duration since;
  };

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
  absl::Duration usual_;  // running mean of how long requests run; 0: none has ended
  Changes changes_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_ADMISSION_H_
