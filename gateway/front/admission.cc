#include "gateway/front/admission.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "common/base/retry_delay.h"

namespace recycling::gateway {
namespace {

constexpr absl::Duration kShortestPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(30);
constexpr absl::Duration kUsualPause = absl::Seconds(1);  // before any request has ended

absl::Status TryAgain(absl::Status status, absl::Duration pause) {
  return WithRetryDelay(std::move(status), std::clamp(pause, kShortestPause, kLongestPause));
}

double Burst(const TenantLimits& limits) {
  return std::max(1.0, limits.burst > 0 ? limits.burst : limits.rate);
}

}  // namespace

void Admission::Arrive(Ticket ticket, const Arrival& arrival, absl::Duration now) {
  if (draining_) {
    return Refuse(ticket, RefusalReason::kDraining,
                  TryAgain(absl::UnavailableError("the gateway is draining"), kUsualPause));
  }
  Tenant& tenant = Known(arrival.tenant, arrival.limits, now);
  if (auto refusal = TakeRate(arrival.tenant, tenant, now); refusal.has_value()) {
    return Refuse(ticket, refusal->reason, std::move(refusal->status));
  }
  const absl::Duration latest = now + options_.queue_timeout;
  const bool own = arrival.deadline <= latest;
  const absl::Duration until = own ? arrival.deadline : latest;
  waiting_[ticket] = {.tenant = arrival.tenant,
                      .bytes = arrival.bytes,
                      .since = now,
                      .until = until,
                      .own_deadline = own};
  due_.insert({until, ticket});
  tenant.queue.push_back(ticket);
  tenant.bytes += arrival.bytes;
  waiting_bytes_ += arrival.bytes;
}

Admission::Tenant& Admission::Known(const std::string& name, const TenantLimits& limits,
                                    absl::Duration now) {
  const auto [entry, is_new] = tenants_.try_emplace(name);
  Tenant& tenant = entry->second;
  tenant.limits = limits;
  if (is_new) {
    tenant.tokens = Burst(limits);
    tenant.refilled = now;
  }
  return tenant;
}

std::optional<Refusal> Admission::TakeRate(const std::string& name, Tenant& tenant,
                                           absl::Duration now) {
  if (TakeToken(tenant, now)) return std::nullopt;
  const double missing = 1 - tenant.tokens;
  return Refusal{.reason = RefusalReason::kRate,
                 .status = TryAgain(absl::ResourceExhaustedError(absl::StrCat(
                                        "requests of tenant ", name, ": got more than ",
                                        tenant.limits.rate, " a second")),
                                    absl::Seconds(missing / tenant.limits.rate))};
}

std::optional<Refusal> Admission::EnterShort(const std::string& name, const TenantLimits& limits,
                                             absl::Duration now) {
  Tenant& tenant = Known(name, limits, now);
  if (limits.concurrency > 0 && tenant.short_calls >= limits.concurrency) {
    return Refusal{
        .reason = RefusalReason::kQueueFull,
        .status = TryAgain(absl::ResourceExhaustedError(absl::StrCat(
                               "short calls of tenant ", name, ": got one more than the ",
                               limits.concurrency, " that it may make at a time")),
                           kShortestPause)};
  }
  if (auto refusal = TakeRate(name, tenant, now); refusal.has_value()) return refusal;
  ++tenant.short_calls;
  return std::nullopt;
}

void Admission::ExitShort(const std::string& name, absl::Duration now) {
  --tenants_.at(name).short_calls;
  Forget(now);
}

bool Admission::TakeToken(Tenant& tenant, absl::Duration now) {
  if (tenant.limits.rate <= 0) return true;
  tenant.tokens =
      std::min(Burst(tenant.limits),
               tenant.tokens + tenant.limits.rate * absl::ToDoubleSeconds(now - tenant.refilled));
  tenant.refilled = now;
  if (tenant.tokens < 1) return false;
  tenant.tokens -= 1;
  return true;
}

void Admission::Leave(Ticket ticket) {
  if (!waiting_.contains(ticket)) return;
  RefuseWaiting(ticket, RefusalReason::kCancelled,
                absl::CancelledError("the client cancelled while the request waited"));
}

void Admission::Finish(Ticket ticket, absl::Duration now) {
  const auto found = running_.find(ticket);
  if (found == running_.end()) return;
  --tenants_.at(found->second.tenant).running;
  const absl::Duration ran = now - found->second.since;
  usual_ = usual_ == absl::ZeroDuration() ? ran : usual_ + (ran - usual_) / 16;
  running_.erase(found);
}

Admission::Changes Admission::Take(int capacity, absl::Duration now) {
  while (draining_ && !waiting_.empty()) {
    RefuseWaiting(waiting_.begin()->first, RefusalReason::kDraining,
                  TryAgain(absl::UnavailableError("the gateway is draining"), kUsualPause));
  }
  Expire(now);
  while (running() < capacity) {
    const auto next = NextTenant();
    if (next == tenants_.end()) break;
    last_ = next->first;
    Start(next->second.queue.front(), now);
  }
  while (waiting() > options_.max_queue || waiting_bytes_ > options_.max_queue_bytes) {
    const Ticket newest = NewestOfTheLargest();
    Tenant& tenant = tenants_.at(waiting_.at(newest).tenant);
    tenant.tokens += 1;  // the refused request does not count against the rate
    RefuseWaiting(newest, RefusalReason::kQueueFull,
                  TryAgain(absl::ResourceExhaustedError(absl::StrCat(
                               "requests: got one more than the ", running(), " that run and the ",
                               waiting() - 1, " that wait for their turn")),
                           Pace(capacity)));
  }
  Forget(now);
  return std::exchange(changes_, {});
}

void Admission::Expire(absl::Duration now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const Ticket ticket = due_.begin()->second;
    const Waiting& waiting = waiting_.at(ticket);
    const std::string waited = absl::FormatDuration(now - waiting.since);
    if (waiting.own_deadline) {
      RefuseWaiting(ticket, RefusalReason::kDeadline,
                    absl::DeadlineExceededError(absl::StrCat(
                        "the deadline passed while the request waited ", waited, " for its turn")));
    } else {
      RefuseWaiting(ticket, RefusalReason::kQueueTimeout,
                    TryAgain(absl::ResourceExhaustedError(absl::StrCat(
                                 "the request waited ", waited, " for its turn, expected at most ",
                                 absl::FormatDuration(options_.queue_timeout))),
                             usual_ == absl::ZeroDuration() ? kUsualPause : usual_));
    }
  }
}

absl::Duration Admission::NextDue() const {
  return due_.empty() ? absl::InfiniteDuration() : due_.begin()->first;
}

void Admission::Start(Ticket ticket, absl::Duration now) {
  const std::string tenant = waiting_.at(ticket).tenant;
  Remove(ticket);
  ++tenants_.at(tenant).running;
  running_[ticket] = {.tenant = tenant, .since = now};
  changes_.start.push_back(ticket);
}

// Returns the next tenant that has a waiting request and may run it. Goes through the tenants in
// the order of their names: begins with the name after last_, and goes on with the first name after
// the end.
std::map<std::string, Admission::Tenant>::iterator Admission::NextTenant() {
  const auto may_begin = [](const auto& entry) {
    const Tenant& tenant = entry.second;
    return !tenant.queue.empty() &&
           (tenant.limits.concurrency <= 0 || tenant.running < tenant.limits.concurrency);
  };
  const auto behind = tenants_.upper_bound(last_);
  const auto found = std::find_if(behind, tenants_.end(), may_begin);
  if (found != tenants_.end()) return found;
  const auto wrapped = std::find_if(tenants_.begin(), behind, may_begin);
  return wrapped == behind ? tenants_.end() : wrapped;
}

// Returns the newest request of the tenant that uses most of the exceeded bound (requests or
// bytes). If several tenants use equally much, takes the one whose newest request came last.
Admission::Ticket Admission::NewestOfTheLargest() const {
  const bool by_count = waiting() > options_.max_queue;
  std::pair<std::uint64_t, Ticket> largest = {0, 0};
  for (const auto& [name, tenant] : tenants_) {
    if (tenant.queue.empty()) continue;
    const std::uint64_t size = by_count ? tenant.queue.size() : tenant.bytes;
    largest = std::max(largest, std::pair(size, tenant.queue.back()));
  }
  return largest.second;
}

void Admission::Remove(Ticket ticket) {
  const Waiting& waiting = waiting_.at(ticket);
  Tenant& tenant = tenants_.at(waiting.tenant);
  tenant.bytes -= waiting.bytes;
  waiting_bytes_ -= waiting.bytes;
  tenant.queue.erase(std::find(tenant.queue.begin(), tenant.queue.end(), ticket));
  due_.erase({waiting.until, ticket});
  waiting_.erase(ticket);
}

void Admission::RefuseWaiting(Ticket ticket, RefusalReason reason, absl::Status status) {
  Remove(ticket);
  Refuse(ticket, reason, std::move(status));
}

void Admission::Refuse(Ticket ticket, RefusalReason reason, absl::Status status) {
  changes_.refuse.push_back({ticket, {.reason = reason, .status = std::move(status)}});
}

// Forgets the tenants that have no request here and whose burst is full again.
void Admission::Forget(absl::Duration now) {
  std::erase_if(tenants_, [&](const auto& entry) {
    const Tenant& tenant = entry.second;
    if (!tenant.queue.empty() || tenant.running > 0 || tenant.short_calls > 0) return false;
    const double missing = Burst(tenant.limits) - tenant.tokens;
    return tenant.limits.rate <= 0 ||
           tenant.limits.rate * absl::ToDoubleSeconds(now - tenant.refilled) >= missing;
  });
}

// How long the queue takes to empty if requests run as long as they did recently.
absl::Duration Admission::Pace(int capacity) const {
  if (usual_ == absl::ZeroDuration() || capacity <= 0) return kUsualPause;
  return usual_ * (static_cast<double>(waiting()) / capacity);
}

}  // namespace recycling::gateway
