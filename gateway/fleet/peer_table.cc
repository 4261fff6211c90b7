#include "gateway/fleet/peer_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gateway/fleet/growing_pause.h"

namespace recycling::gateway {
namespace {

std::string EjectedDetail(const absl::Status& failure) {
  return absl::StrCat("ejected, last failure: ", failure.ToString());
}

absl::Status NoneReady(const std::string& address, const absl::Status& error) {
  const auto code = absl::IsFailedPrecondition(error) ? absl::StatusCode::kFailedPrecondition
                                                      : absl::StatusCode::kUnavailable;
  return absl::Status(code, absl::StrCat("no peer is ready; ", address, ": ", error.message()));
}

}  // namespace

std::vector<std::string> PeerTable::SetAddresses(const std::vector<std::string>& addresses) {
  MutexLock lock(mutex_);
  std::vector<std::string> removed;
  std::erase_if(peers_, [&](const auto& entry) {
    if (std::find(addresses.begin(), addresses.end(), entry.first) != addresses.end()) return false;
    removed.push_back(entry.first);
    return true;
  });
  for (const std::string& address : addresses) {
    const auto [entry, is_new] = peers_.try_emplace(address, options_.breaker);
    if (is_new) entry->second.id = next_id_++;
  }
  return removed;
}

std::vector<PeerGreeting> PeerTable::TakeDue() {
  MutexLock lock(mutex_);
  const absl::Duration now = clock_.Monotonic();
  std::vector<PeerGreeting> due;
  for (auto& [address, peer] : peers_) {
    if (peer.greeting || peer.due > now) continue;
    peer.greeting = true;
    peer.due = absl::InfiniteDuration();
    due.push_back({.address = address, .peer = peer.id, .since = now});
  }
  return due;
}

absl::Duration PeerTable::UntilDue() const {
  MutexLock lock(mutex_);
  absl::Duration next = options_.refresh;
  for (const auto& [address, peer] : peers_) {
    if (!peer.greeting) next = std::min(next, peer.due - clock_.Monotonic());
  }
  return std::max(next, absl::ZeroDuration());
}

void PeerTable::GreetAll() {
  MutexLock lock(mutex_);
  for (auto& [address, peer] : peers_) peer.due = clock_.Monotonic();
}

PeerTable::Peer* PeerTable::Find(const PeerGreeting& greeting) {
  const auto found = peers_.find(greeting.address);
  return found == peers_.end() || found->second.id != greeting.peer ? nullptr : &found->second;
}

PeerChange PeerTable::ChangeOf(const Peer& peer, bool was_ready) const {
  if (peer.takes_work() == was_ready) return {};
  PeerChange change = {.became_ready = !was_ready, .became_unready = was_ready, .why = peer.error};
  for (const auto& [address, other] : peers_) change.ready_peers += other.takes_work() ? 1 : 0;
  return change;
}

PeerChange PeerTable::Greeted(const PeerGreeting& greeting, std::shared_ptr<void> client,
                              const absl::Status& admitted) {
  MutexLock lock(mutex_);
  Peer* const peer = Find(greeting);
  if (peer == nullptr) return {};
  const bool was_ready = peer->takes_work();
  peer->greeting = false;
  peer->client = std::move(client);
  peer->error = admitted;
  peer->running_at_greeting = peer->running->load();
  peer->failures = 0;
  peer->due = std::min(peer->due, clock_.Monotonic() + options_.refresh);
  return ChangeOf(*peer, was_ready);
}

PeerTable::NotGreetedResult PeerTable::NotGreeted(const PeerGreeting& greeting,
                                                  const absl::Status& error, absl::Duration heard) {
  MutexLock lock(mutex_);
  Peer* const peer = Find(greeting);
  if (peer == nullptr) return {};
  const bool was_ready = peer->takes_work();
  peer->greeting = false;
  const bool slow = absl::IsDeadlineExceeded(error) && peer->client != nullptr;
  if (slow && heard >= greeting.since) peer->failures = 0;
  const bool merely_slow = slow && peer->failures == 0;
  if (!merely_slow) {
    peer->client.reset();
    peer->error = error;
  }
  if (absl::IsFailedPrecondition(error)) ++peer->refused;
  const absl::Duration pause =
      GrowingPause(options_.first_retry, options_.longest_retry, peer->failures++);
  peer->due = std::min(peer->due, clock_.Monotonic() + pause);
  return {.change = ChangeOf(*peer, was_ready), .gone = !merely_slow};
}

PeerTable::NotedResult PeerTable::Note(const std::string& address, const absl::Status& outcome,
                                       bool is_fault, absl::Duration since, bool doubt) {
  MutexLock lock(mutex_);
  const auto found = peers_.find(address);
  if (found == peers_.end()) return {};
  Peer& peer = found->second;
  const bool was_ready = peer.takes_work();
  const absl::Duration now = clock_.Monotonic();
  const std::uint64_t ejections = peer.breaker.ejections();
  if (outcome.ok()) {
    peer.breaker.Succeeded(now);
  } else if (is_fault) {
    peer.breaker.Failed(since, now);
    peer.failure = outcome;
  } else {
    peer.breaker.Undecided();
  }
  NotedResult result;
  result.ejected_now = peer.breaker.ejections() > ejections;
  if (result.ejected_now) ++ejections_;
  result.may_go_on = !peer.breaker.ejected();
  if (doubt && !outcome.ok() && peer.client != nullptr) {
    if (absl::IsUnavailable(outcome)) {
      peer.client.reset();
      peer.error = outcome;
    }
    peer.due = now;
    result.greet_now = true;
  }
  result.change = ChangeOf(peer, was_ready);
  return result;
}

absl::StatusOr<std::shared_ptr<void>> PeerTable::Pick(const Choose& choose) {
  MutexLock lock(mutex_);
  const absl::Duration now = clock_.Monotonic();
  for (const bool ejected_too : {false, true}) {
    if (ejected_too && !options_.use_ejected) break;
    std::vector<ReadyPeer> ready;
    std::vector<const void*> clients;
    std::vector<Peer*> peers;
    for (auto& [address, peer] : peers_) {
      if (!peer.takes_work() || (!ejected_too && !peer.breaker.admits(now))) continue;
      ready.push_back({.address = address,
                       .running = peer.running->load(),
                       .running_at_greeting = peer.running_at_greeting});
      clients.push_back(peer.client.get());
      peers.push_back(&peer);
    }
    const auto index = choose(ready, clients);
    if (!index.has_value()) continue;
    Peer& peer = *peers[*index];
    peer.breaker.Begin(now);
    ++*peer.running;
    return std::shared_ptr<void>(
        peer.client.get(), [client = peer.client, running = peer.running](void*) { --*running; });
  }
  return WhyNone();
}

void PeerTable::ForEachReady(const std::function<void(const void*)>& see) const {
  MutexLock lock(mutex_);
  for (const auto& [address, peer] : peers_) {
    if (peer.takes_work()) see(peer.client.get());
  }
}

bool PeerTable::AnyReady() const {
  MutexLock lock(mutex_);
  return std::any_of(peers_.begin(), peers_.end(),
                     [](const auto& entry) { return entry.second.takes_work(); });
}

std::vector<PeerStatus> PeerTable::Statuses() const {
  MutexLock lock(mutex_);
  std::vector<PeerStatus> statuses;
  for (const auto& [address, peer] : peers_) {
    std::string detail = peer.error.ToString();
    if (peer.refused > 0) absl::StrAppend(&detail, " (refused ", peer.refused, " times)");
    const bool ready = peer.takes_work();
    if (ready) detail = peer.breaker.ejected() ? EjectedDetail(peer.failure) : "";
    statuses.push_back({.address = address,
                        .ready = ready,
                        .detail = std::move(detail),
                        .running = peer.running->load(),
                        .ejected = peer.breaker.ejected(),
                        .failures = peer.breaker.failures(),
                        .ejections = peer.breaker.ejections()});
  }
  return statuses;
}

absl::Status PeerTable::WhyNone() const {
  if (peers_.empty()) return absl::UnavailableError("no peer is known");
  const Peer* why = nullptr;
  std::string where;
  for (const auto& [address, peer] : peers_) {
    if (absl::IsFailedPrecondition(peer.error)) return NoneReady(address, peer.error);
    if (why != nullptr && (peer.takes_work() || !why->takes_work())) continue;
    why = &peer;
    where = address;
  }
  if (!why->takes_work()) return NoneReady(where, why->error);
  return absl::UnavailableError(absl::StrCat("no peer can be used; ", where, ": ",
                                             why->breaker.ejected()
                                                 ? EjectedDetail(why->failure)
                                                 : std::string("it is ready but was not chosen")));
}

}  // namespace recycling::gateway
