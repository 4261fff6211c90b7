// Admission for several threads. A waiting request holds no thread. It is started or refused on the
// thread whose call makes that possible.
#ifndef RECYCLING_GATEWAY_FRONT_REQUEST_QUEUE_H_
#define RECYCLING_GATEWAY_FRONT_REQUEST_QUEUE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "gateway/front/admission.h"

namespace recycling::gateway {

struct QueueCounts {
  int running = 0;
  int waiting = 0;
  int capacity = 0;  // how many may run at once now
  std::array<std::uint64_t, static_cast<std::size_t>(RefusalReason::kCount)> refused = {};
};

// Threads: any.
class RequestQueue {
 public:
  using Ticket = Admission::Ticket;

  // `capacity` says how many requests may run at once now; it is called on any thread and must not
  // block. `clock` must outlive the queue.
  RequestQueue(AdmissionOptions options, std::function<int()> capacity, const Clock& clock)
      : capacity_(std::move(capacity)), clock_(clock), admission_(options) {}

  // Returns a ticket that it has never returned before.
  Ticket NewTicket();

  // Exactly one of the two functions is called, before this returns or later, on any thread and
  // without a lock: `start` when the request's turn has come, `refuse` when it will not come.
  // `start` must not block. A ticket is submitted once.
  void Submit(Ticket ticket, const Admission::Arrival& arrival, std::function<void()> start,
              std::function<void(const Refusal&)> refuse);

  // The caller reports that the client is gone. If its request waits, `refuse` is called before
  // this returns.
  void Leave(Ticket ticket);

  // The caller reports, once for each request that was started, that it has ended.
  void Finish(Ticket ticket);

  // A short call of a tenant (see Admission), from its beginning until this is destroyed.
  class ShortCall {
   public:
    ShortCall(RequestQueue& queue, std::string tenant)
        : queue_(queue), tenant_(std::move(tenant)) {}
    ~ShortCall();
    ShortCall(const ShortCall&) = delete;
    ShortCall& operator=(const ShortCall&) = delete;

   private:
    RequestQueue& queue_;
    const std::string tenant_;
  };

  // Begins a short call, which must end before the queue is destroyed. ResourceExhausted, with a
  // retry delay, if the tenant's limits do not allow it now.
  absl::StatusOr<std::unique_ptr<ShortCall>> BeginShort(const std::string& tenant,
                                                        const TenantLimits& limits);

  // Refuses the waiting requests, and from now on the new ones. Running requests go on.
  void Drain();

  // Refuses the requests whose wait must end, and starts those that may begin. Returns the time
  // after which the caller must call it again; infinite if no request waits.
  absl::Duration Tick();

  QueueCounts Counts() const;

 private:
  struct Calls {
    std::function<void()> start;
    std::function<void(const Refusal&)> refuse;
  };

  void Update(const std::function<void(Admission&, absl::Duration now)>& change);

  const std::function<int()> capacity_;
  const Clock& clock_;

  mutable Mutex mutex_;
  Admission admission_ ABSL_GUARDED_BY(mutex_);
  Ticket last_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Ticket, Calls> calls_ ABSL_GUARDED_BY(mutex_);  // of the requests that wait
  QueueCounts counts_ ABSL_GUARDED_BY(mutex_);             // only `refused` is kept here
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_REQUEST_QUEUE_H_
