#include "gateway/front/request_queue.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace recycling::gateway {
namespace {
constexpr absl::Duration kCapacityChecks = absl::Milliseconds(100);  // while a request waits
}  // namespace

RequestQueue::Ticket RequestQueue::NewTicket() {
  MutexLock lock(mutex_);
  return ++last_ticket_;
}

// Makes a change, and starts or refuses the requests that it concerns.
void RequestQueue::Update(const std::function<void(Admission&, absl::Duration now)>& change) {
  const int capacity = capacity_();
  std::vector<std::function<void()>> calls;
  {
    MutexLock lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    change(admission_, now);
    Admission::Changes changes = admission_.Take(capacity, now);
    for (const Ticket ticket : changes.start) {
      calls.push_back(std::move(calls_.at(ticket).start));
      calls_.erase(ticket);
    }
    for (auto& [ticket, refusal] : changes.refuse) {
      ++counts_.refused[static_cast<std::size_t>(refusal.reason)];
      calls.push_back([refuse = std::move(calls_.at(ticket).refuse), refusal = std::move(refusal)] {
        refuse(refusal);
      });
      calls_.erase(ticket);
    }
  }
  for (const auto& call : calls) call();
}

void RequestQueue::Submit(Ticket ticket, const Admission::Arrival& arrival,
                          std::function<void()> start, std::function<void(const Refusal&)> refuse) {
  {
    MutexLock lock(mutex_);
    calls_[ticket] = {.start = std::move(start), .refuse = std::move(refuse)};
  }
  Update([&](Admission& admission, absl::Duration now) { admission.Arrive(ticket, arrival, now); });
}

void RequestQueue::Leave(Ticket ticket) {
  Update([&](Admission& admission, absl::Duration) { admission.Leave(ticket); });
}

void RequestQueue::Finish(Ticket ticket) {
  Update([&](Admission& admission, absl::Duration now) { admission.Finish(ticket, now); });
}

absl::StatusOr<std::unique_ptr<RequestQueue::ShortCall>> RequestQueue::BeginShort(
    const std::string& tenant, const TenantLimits& limits) {
  MutexLock lock(mutex_);
  const auto refusal = admission_.EnterShort(tenant, limits, clock_.Monotonic());
  if (!refusal.has_value()) return std::make_unique<ShortCall>(*this, tenant);
  ++counts_.refused[static_cast<std::size_t>(refusal->reason)];
  return refusal->status;
}

RequestQueue::ShortCall::~ShortCall() {
  MutexLock lock(queue_.mutex_);
  queue_.admission_.ExitShort(tenant_, queue_.clock_.Monotonic());
}

void RequestQueue::Drain() {
  Update([](Admission& admission, absl::Duration) { admission.Drain(); });
}

absl::Duration RequestQueue::Tick() {
  Update([](Admission&, absl::Duration) {});
  MutexLock lock(mutex_);
  if (admission_.waiting() == 0) return absl::InfiniteDuration();
  const absl::Duration due = admission_.NextDue() - clock_.Monotonic();
  return std::clamp(due, absl::ZeroDuration(), kCapacityChecks);
}

QueueCounts RequestQueue::Counts() const {
  const int capacity = capacity_();
  MutexLock lock(mutex_);
  QueueCounts counts = counts_;
  counts.running = admission_.running();
  counts.waiting = admission_.waiting();
  counts.capacity = capacity;
  return counts;
}

}  // namespace recycling::gateway
