// Admission with threads around it: who waits holds no thread, and is started, refused or let go by
// whoever makes that possible.
#ifndef RECYCLING_GATEWAY_FRONT_REQUEST_QUEUE_H_
#define RECYCLING_GATEWAY_FRONT_REQUEST_QUEUE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>

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

  // `capacity` says how many requests may run at once now; any thread, never blocks. `clock` must
  // outlive the queue.
  RequestQueue(AdmissionOptions options, std::function<int()> capacity, const Clock& clock)
      : capacity_(std::move(capacity)), clock_(clock), admission_(options) {}

  // Never the same twice.
  Ticket NewTicket();

  // Later, or before this returns, exactly one of the two is called, on any thread and without a
  // lock: `start` when the request's turn has come, which must not block; `refuse` when it will not
  // come. A ticket is submitted once.
  void Submit(Ticket ticket, const Admission::Arrival& arrival, std::function<void()> start,
              std::function<void(const Refusal&)> refuse);

  // The client has gone: if it waits, `refuse` is called before this returns.
  void Leave(Ticket ticket);

  // What was started has ended. Once for each.
  void Finish(Ticket ticket);

  // Refuses who waits and who comes from now on; what runs goes on.
  void Drain();

  // Does what has fallen due. Returns how long nothing will; infinite if nothing waits.
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
  std::map<Ticket, Calls> calls_ ABSL_GUARDED_BY(mutex_);  // of those that wait
  QueueCounts counts_ ABSL_GUARDED_BY(mutex_);             // refused alone
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FRONT_REQUEST_QUEUE_H_
