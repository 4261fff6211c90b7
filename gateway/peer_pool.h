// Who the peers of one role are, which of them are ready, and how many requests use each.
//  1. A peer is ready from a handshake that succeeded until one fails or a session reports it gone.
//  2. A ready peer is greeted again every `refresh`; one that is not, with growing pauses.
//  3. A name that cannot be resolved keeps the addresses it had.
//  4. A peer that is slow once stays ready; slow twice in a row, it is not.
#ifndef RECYCLING_GATEWAY_PEER_POOL_H_
#define RECYCLING_GATEWAY_PEER_POOL_H_

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/clock.h"
#include "common/mutex.h"
#include "gateway/peer_target.h"
#include "gateway/selection.h"

namespace recycling::gateway {

struct PeerPoolOptions {
  std::vector<PeerTarget> targets;
  absl::Duration refresh = absl::Seconds(2);             // between handshakes of a ready peer
  absl::Duration first_retry = absl::Milliseconds(100);  // doubles after every failure
  absl::Duration longest_retry = absl::Seconds(2);
  absl::Duration resolve = absl::Seconds(10);  // between resolutions of a name
  // Told at the end of a Tick whether any peer is ready now, when that has changed. Never called
  // under a lock; may be empty.
  std::function<void(bool)> on_ready;
};

// A peer for people.
struct PeerStatus {
  std::string address;
  bool ready = false;
  std::string detail;  // why not
  int running = 0;
};

// Threads: all methods may be called from any thread, except Start and Tick: Start once, Tick only
// without Start (by tests).
template <typename Client>
class PeerPool {
 public:
  // Handshake with the peer at an address: a client that is ready for work, or why not. Blocks for
  // a bounded time; called from one thread at a time, never under a lock of the pool.
  using Greet = std::function<absl::StatusOr<std::shared_ptr<Client>>(const std::string& address)>;

  // `resolver` and `clock` must outlive the pool.
  PeerPool(PeerPoolOptions options, Greet greet, Resolver& resolver, const Clock& clock)
      : options_(std::move(options)),
        greet_(std::move(greet)),
        resolver_(resolver),
        clock_(clock) {}

  ~PeerPool() {
    {
      MutexLock lock(mutex_);
      stop_ = true;
      wake_.NotifyAll();
    }
    if (thread_.joinable()) thread_.join();
  }

  PeerPool(const PeerPool&) = delete;
  PeerPool& operator=(const PeerPool&) = delete;

  // Runs Tick in a thread of its own whenever it is due.
  void Start() {
    thread_ = std::thread([this] { RunUntilStopped(); });
  }

  // Resolves and greets whatever is due. Returns how long nothing will be due.
  absl::Duration Tick() {
    Resolve();
    for (const std::string& address : TakeDue()) Record(address, greet_(address));
    if (options_.on_ready && AnyReady() != any_ready_) {
      any_ready_ = !any_ready_;
      options_.on_ready(any_ready_);
    }
    MutexLock lock(mutex_);
    absl::Duration next = options_.refresh;
    for (const auto& [address, peer] : peers_) next = std::min(next, peer.due - clock_.Monotonic());
    return std::max(next, absl::ZeroDuration());
  }

  // Every peer is greeted now.
  void Nudge() {
    MutexLock lock(mutex_);
    for (auto& [address, peer] : peers_) peer.due = clock_.Monotonic();
    nudged_ = true;
    wake_.NotifyAll();
  }

  // A session at `address` ended with `error`. If the peer is gone it is not ready from now on;
  // in any case a handshake decides soon.
  void Report(const std::string& address, const absl::Status& error) {
    MutexLock lock(mutex_);
    const auto found = peers_.find(address);
    if (found == peers_.end() || found->second.client == nullptr) return;
    if (absl::IsUnavailable(error)) {
      found->second.client.reset();
      found->second.error = error;
    }
    found->second.due = clock_.Monotonic();
    nudged_ = true;
    wake_.NotifyAll();
  }

  // The client that `choose` picks among the ready peers; it counts as running until the pointer
  // is gone (which may be after the pool). If none is ready: the error of the first peer that was
  // refused as FailedPrecondition, else Unavailable saying why.
  absl::StatusOr<std::shared_ptr<Client>> Pick(
      const std::function<std::optional<std::size_t>(std::span<const ReadyPeer>)>& choose) const {
    MutexLock lock(mutex_);
    std::vector<ReadyPeer> ready;
    std::vector<const Peer*> chosen_from;
    for (const auto& [address, peer] : peers_) {
      if (peer.client == nullptr) continue;
      ready.push_back({.address = address, .running = peer.running->load()});
      chosen_from.push_back(&peer);
    }
    const auto index = choose(ready);
    if (!index.has_value()) return WhyNone();
    const Peer& peer = *chosen_from[*index];
    ++*peer.running;
    return std::shared_ptr<Client>(
        peer.client.get(), [client = peer.client, running = peer.running](Client*) { --*running; });
  }

  // Calls `see` with every client that is ready, under a lock of the pool.
  void ForEachReady(const std::function<void(const Client&)>& see) const {
    MutexLock lock(mutex_);
    for (const auto& [address, peer] : peers_) {
      if (peer.client != nullptr) see(*peer.client);
    }
  }

  std::vector<PeerStatus> Statuses() const {
    MutexLock lock(mutex_);
    std::vector<PeerStatus> statuses;
    for (const auto& [address, peer] : peers_) {
      std::string detail = peer.error.ToString();
      if (peer.refused > 0) absl::StrAppend(&detail, " (refused ", peer.refused, " times)");
      const bool ready = peer.client != nullptr;
      statuses.push_back({.address = address,
                          .ready = ready,
                          .detail = ready ? "" : std::move(detail),
                          .running = peer.running->load()});
    }
    for (const auto& [name, resolution] : resolutions_) {
      if (resolution.error.ok()) continue;
      statuses.push_back({.address = absl::StrCat("dns:///", name),
                          .ready = false,
                          .detail = resolution.error.ToString(),
                          .running = 0});
    }
    return statuses;
  }

 private:
  struct Peer {
    std::shared_ptr<Client> client;  // null: not ready
    absl::Status error = absl::UnavailableError("not greeted yet");
    std::shared_ptr<std::atomic<int>> running = std::make_shared<std::atomic<int>>(0);
    int failures = 0;           // in a row
    std::uint64_t refused = 0;  // handshakes that ended with FailedPrecondition
    absl::Duration due;         // of the next handshake
  };

  struct Resolution {
    std::vector<std::string> addresses;
    absl::Status error;
    absl::Duration due;
  };

  void RunUntilStopped() {
    while (true) {
      const absl::Duration wait = Tick();
      MutexLock lock(mutex_);
      if (!stop_ && !nudged_) wake_.WaitFor(mutex_, wait);
      nudged_ = false;
      if (stop_) return;
    }
  }

  void Resolve() {
    std::map<std::string, Resolution> resolutions;
    {
      MutexLock lock(mutex_);
      resolutions = resolutions_;
    }
    std::vector<std::string> wanted;
    for (const PeerTarget& target : options_.targets) {
      if (!target.is_name) {
        wanted.push_back(target.address);
        continue;
      }
      const auto [entry, is_new] = resolutions.try_emplace(target.address);
      Resolution& resolution = entry->second;
      if (is_new || resolution.due <= clock_.Monotonic()) {
        auto resolved = resolver_.Resolve(target.address);
        resolution.error = resolved.status();
        if (resolved.ok()) resolution.addresses = *std::move(resolved);
        resolution.due = clock_.Monotonic() +
                         (resolution.error.ok() ? options_.resolve : options_.longest_retry);
      }
      wanted.insert(wanted.end(), resolution.addresses.begin(), resolution.addresses.end());
    }
    MutexLock lock(mutex_);
    resolutions_ = std::move(resolutions);
    std::erase_if(peers_, [&](const auto& entry) {
      return std::find(wanted.begin(), wanted.end(), entry.first) == wanted.end();
    });
    for (const std::string& address : wanted) peers_.try_emplace(address);
  }

  // Whom to greet now. What asks for a greeting meanwhile makes the peer due once more.
  std::vector<std::string> TakeDue() {
    MutexLock lock(mutex_);
    std::vector<std::string> due;
    for (auto& [address, peer] : peers_) {
      if (peer.due > clock_.Monotonic()) continue;
      peer.due = absl::InfiniteDuration();
      due.push_back(address);
    }
    return due;
  }

  void Record(const std::string& address, absl::StatusOr<std::shared_ptr<Client>> greeted) {
    MutexLock lock(mutex_);
    const auto found = peers_.find(address);
    if (found == peers_.end()) return;
    Peer& peer = found->second;
    peer.error = greeted.status();
    if (greeted.ok()) {
      peer.client = *std::move(greeted);
      peer.failures = 0;
      peer.due = std::min(peer.due, clock_.Monotonic() + options_.refresh);
      return;
    }
    const bool merely_slow = absl::IsDeadlineExceeded(greeted.status()) && peer.failures == 0;
    if (!merely_slow) peer.client.reset();
    if (absl::IsFailedPrecondition(greeted.status())) ++peer.refused;
    const int doublings = std::min(peer.failures++, 20);
    const absl::Duration pause =
        std::min(options_.longest_retry, options_.first_retry * (1 << doublings));
    peer.due = std::min(peer.due, clock_.Monotonic() + pause);
  }

  bool AnyReady() const {
    MutexLock lock(mutex_);
    return std::any_of(peers_.begin(), peers_.end(),
                       [](const auto& entry) { return entry.second.client != nullptr; });
  }

  absl::Status WhyNone() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (peers_.empty()) return absl::UnavailableError("no peer is known");
    for (const auto& [address, peer] : peers_) {
      if (absl::IsFailedPrecondition(peer.error)) return Describe(address, peer.error);
    }
    return Describe(peers_.begin()->first, peers_.begin()->second.error);
  }

  static absl::Status Describe(const std::string& address, const absl::Status& error) {
    const auto code = absl::IsFailedPrecondition(error) ? absl::StatusCode::kFailedPrecondition
                                                        : absl::StatusCode::kUnavailable;
    return absl::Status(code, absl::StrCat("no peer is ready; ", address, ": ", error.message()));
  }

  const PeerPoolOptions options_;
  const Greet greet_;
  Resolver& resolver_;
  const Clock& clock_;

  mutable Mutex mutex_;
  CondVar wake_;
  std::map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Resolution> resolutions_ ABSL_GUARDED_BY(mutex_);
  bool nudged_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool any_ready_ = false;  // as told to on_ready; Tick's alone
  std::thread thread_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_PEER_POOL_H_
