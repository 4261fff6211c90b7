// Who the peers of one role are, which of them are ready, and how many requests use each.
//  1. A peer is ready from a handshake that succeeded until one fails or a session reports it gone.
//  2. A ready peer is greeted again every `refresh`; one that is not, with growing pauses.
//  3. A name that cannot be resolved keeps the addresses it had.
//  4. A peer that is slow once stays ready; slow twice in a row, it is not, unless it has answered
//     work since it was greeted.
//  5. A peer that answers handshakes but fails at work is ejected for a growing time
//     (peer_breaker.h); then it gets work again, one piece at first.
#ifndef RECYCLING_GATEWAY_FLEET_PEER_POOL_H_
#define RECYCLING_GATEWAY_FLEET_PEER_POOL_H_

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
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mutex.h"
#include "gateway/fleet/growing_pause.h"
#include "gateway/fleet/peer_breaker.h"
#include "gateway/fleet/peer_target.h"
#include "gateway/fleet/selection.h"

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

  // The list of peers, if it is another one than before; called in every Tick. Empty: `targets`
  // holds for good.
  std::function<std::optional<std::vector<PeerTarget>>()> poll_targets;
  // When the peer answered work last, Clock::Monotonic(). May be empty.
  std::function<absl::Duration(const std::string& address)> heard;
  // The peer was found gone, or unanswering for too long: `error` says why. May be called again.
  std::function<void(const std::string& address, const absl::Status& error)> on_lost;
  // The peer is no longer in the list; it may well go on.
  std::function<void(const std::string& address)> on_removed;
  // Pick may say something new. These are never called under a lock; all may be empty.
  std::function<void()> on_change;

  BreakerOptions breaker;
  // Ejected peers are picked if nothing else is ready: work is better tried than refused.
  bool use_ejected = false;
};

// A peer for people.
struct PeerStatus {
  std::string address;
  bool ready = false;
  std::string detail;  // why not, or why it is ejected
  int running = 0;
  bool ejected = false;
  std::uint64_t failures = 0;   // of work, that counted; since the start
  std::uint64_t ejections = 0;  // since the start
};

// Threads: all methods may be called from any thread, except Start and Tick: Start once, Tick only
// without Start (by tests).
template <typename Client>
class PeerPool {
 public:
  // Handshake with the peer at an address: a client that is ready for work, or why not. Blocks for
  // a bounded time; called from one thread at a time, never under a lock of the pool.
  using Greet = std::function<absl::StatusOr<std::shared_ptr<Client>>(const std::string& address)>;

  // Whether a peer that was greeted takes new work: OK, or why not.
  using Admits = std::function<absl::Status(const Client& client)>;

  // `resolver` and `clock` must outlive the pool. Without `admits` every peer does.
  PeerPool(PeerPoolOptions options, Greet greet, Resolver& resolver, const Clock& clock,
           Admits admits = nullptr)
      : options_(std::move(options)),
        targets_(options_.targets),
        greet_(std::move(greet)),
        admits_(std::move(admits)),
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
    if (options_.poll_targets) {
      if (auto targets = options_.poll_targets(); targets.has_value()) targets_ = *targets;
    }
    for (const std::string& address : Resolve()) {
      if (options_.on_removed) options_.on_removed(address);
    }
    for (const std::string& address : TakeDue()) {
      const absl::Duration since = clock_.Monotonic();
      auto greeted = greet_(address);
      const absl::Status error = greeted.status();
      const bool lost = Record(address, since, std::move(greeted));
      if (lost && options_.on_lost) options_.on_lost(address, error);
      if (options_.on_change) options_.on_change();
    }
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

  // Work at `address` that began at `since` went well, or ended with `outcome`. If the peer is gone
  // it is not ready from now on; after any error a handshake decides soon. A peer that was full has
  // not failed.
  void Report(const std::string& address, const absl::Status& outcome,
              absl::Duration since = absl::InfiniteDuration()) {
    Note(address, outcome, since, /*doubt=*/!outcome.ok());
  }

  // The same for a single answer, good or not, which casts no doubt on the connection. Returns
  // whether more may be asked of the peer.
  bool Judge(const std::string& address, const absl::Status& answer) {
    return Note(address, answer, absl::InfiniteDuration(), /*doubt=*/false);
  }

  using Choose = std::function<std::optional<std::size_t>(std::span<const ReadyPeer>,
                                                          std::span<const Client* const>)>;

  // The client that `choose` picks among the peers that are ready and take work; it counts as
  // running until the pointer is gone (which may be after the pool). If none is: the error of the
  // first peer that was refused as FailedPrecondition, else Unavailable saying why.
  absl::StatusOr<std::shared_ptr<Client>> PickFrom(const Choose& choose) {
    MutexLock lock(mutex_);
    const absl::Duration now = clock_.Monotonic();
    for (const bool ejected_too : {false, true}) {
      if (ejected_too && !options_.use_ejected) break;
      std::vector<ReadyPeer> ready;
      std::vector<const Client*> clients;
      std::vector<Peer*> chosen_from;
      for (auto& [address, peer] : peers_) {
        if (!peer.takes_work() || (!ejected_too && !peer.breaker.admits(now))) continue;
        ready.push_back({.address = address,
                         .running = peer.running->load(),
                         .running_at_greeting = peer.running_at_greeting});
        clients.push_back(peer.client.get());
        chosen_from.push_back(&peer);
      }
      const auto index = choose(ready, clients);
      if (!index.has_value()) continue;
      Peer& peer = *chosen_from[*index];
      peer.breaker.Begin(now);
      ++*peer.running;
      return std::shared_ptr<Client>(
          peer.client.get(),
          [client = peer.client, running = peer.running](Client*) { --*running; });
    }
    return WhyNone();
  }

  absl::StatusOr<std::shared_ptr<Client>> Pick(
      const std::function<std::optional<std::size_t>(std::span<const ReadyPeer>)>& choose) {
    return PickFrom([&choose](std::span<const ReadyPeer> ready, std::span<const Client* const>) {
      return choose(ready);
    });
  }

  // Calls `see` with every client that is ready and takes work, under a lock of the pool.
  void ForEachReady(const std::function<void(const Client&)>& see) const {
    MutexLock lock(mutex_);
    for (const auto& [address, peer] : peers_) {
      if (peer.takes_work()) see(*peer.client);
    }
  }

  // Times a peer was ejected since the start, those that have left the list included.
  std::uint64_t ejections() const { return ejections_; }

  std::vector<PeerStatus> Statuses() const {
    MutexLock lock(mutex_);
    std::vector<PeerStatus> statuses;
    for (const auto& [address, peer] : peers_) {
      std::string detail = peer.error.ToString();
      if (peer.refused > 0) absl::StrAppend(&detail, " (refused ", peer.refused, " times)");
      const bool ready = peer.takes_work();
      if (ready) detail = peer.breaker.ejected() ? EjectedDetail(peer) : "";
      statuses.push_back({.address = address,
                          .ready = ready,
                          .detail = std::move(detail),
                          .running = peer.running->load(),
                          .ejected = peer.breaker.ejected(),
                          .failures = peer.breaker.failures(),
                          .ejections = peer.breaker.ejections()});
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
    explicit Peer(const BreakerOptions& options) : breaker(options) {}

    bool takes_work() const { return client != nullptr && error.ok(); }

    std::shared_ptr<Client> client;                                  // null: not ready
    absl::Status error = absl::UnavailableError("not greeted yet");  // or why it takes no work
    PeerBreaker breaker;
    absl::Status failure;         // of its work, the last one
    int running_at_greeting = 0;  // the last one
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

  std::string EjectedDetail(const Peer& peer) const {
    return absl::StrCat("ejected, last failure: ", peer.failure.ToString());
  }

  bool Note(const std::string& address, const absl::Status& outcome, absl::Duration since,
            bool doubt) {
    bool ejects = false;
    bool admits = true;
    {
      MutexLock lock(mutex_);
      const auto found = peers_.find(address);
      if (found == peers_.end()) return false;
      Peer& peer = found->second;
      const absl::Duration now = clock_.Monotonic();
      if (outcome.ok()) {
        peer.breaker.Succeeded(now);
      } else if (!absl::IsResourceExhausted(outcome)) {
        const std::uint64_t before = peer.breaker.ejections();
        peer.breaker.Failed(since, now);
        peer.failure = outcome;
        ejects = peer.breaker.ejections() > before;
      }
      admits = !peer.breaker.ejected();
      if (doubt && peer.client != nullptr) {
        if (absl::IsUnavailable(outcome)) {
          peer.client.reset();
          peer.error = outcome;
        }
        peer.due = now;
        nudged_ = true;
        wake_.NotifyAll();
      }
    }
    if (ejects) {
      ++ejections_;
      Log(LogLevel::kWarning, "peer ejected",
          {{"address", address}, {"last_failure", outcome.ToString()}});
    }
    return admits;
  }

  // Brings peers_ up to date. Returns who is no longer wanted.
  std::vector<std::string> Resolve() {
    std::map<std::string, Resolution> resolutions;
    {
      MutexLock lock(mutex_);
      resolutions = resolutions_;
    }
    std::vector<std::string> wanted;
    for (const PeerTarget& target : targets_) {
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
    std::erase_if(resolutions_, [this](const auto& entry) {
      return std::find(targets_.begin(), targets_.end(),
                       PeerTarget{.address = entry.first, .is_name = true}) == targets_.end();
    });
    std::vector<std::string> removed;
    std::erase_if(peers_, [&](const auto& entry) {
      if (std::find(wanted.begin(), wanted.end(), entry.first) != wanted.end()) return false;
      removed.push_back(entry.first);
      return true;
    });
    for (const std::string& address : wanted) peers_.try_emplace(address, options_.breaker);
    return removed;
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

  // What came of the greeting that began at `since`. Returns whether the peer is lost.
  bool Record(const std::string& address, absl::Duration since,
              absl::StatusOr<std::shared_ptr<Client>> greeted) {
    const absl::Duration heard =
        options_.heard ? options_.heard(address) : -absl::InfiniteDuration();
    MutexLock lock(mutex_);
    const auto found = peers_.find(address);
    if (found == peers_.end()) return false;
    Peer& peer = found->second;
    if (greeted.ok()) {
      peer.client = *std::move(greeted);
      peer.error = admits_ ? admits_(*peer.client) : absl::OkStatus();
      peer.running_at_greeting = peer.running->load();
      peer.failures = 0;
      peer.due = std::min(peer.due, clock_.Monotonic() + options_.refresh);
      return false;
    }
    const bool slow = absl::IsDeadlineExceeded(greeted.status()) && peer.client != nullptr;
    if (slow && heard >= since) peer.failures = 0;
    const bool merely_slow = slow && peer.failures == 0;
    if (!merely_slow) {
      peer.client.reset();
      peer.error = greeted.status();
    }
    if (absl::IsFailedPrecondition(greeted.status())) ++peer.refused;
    const absl::Duration pause =
        GrowingPause(options_.first_retry, options_.longest_retry, peer.failures++);
    peer.due = std::min(peer.due, clock_.Monotonic() + pause);
    return !merely_slow;
  }

  bool AnyReady() const {
    MutexLock lock(mutex_);
    return std::any_of(peers_.begin(), peers_.end(),
                       [](const auto& entry) { return entry.second.takes_work(); });
  }

  absl::Status WhyNone() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (peers_.empty()) return absl::UnavailableError("no peer is known");
    const Peer* why = nullptr;
    std::string where;
    for (const auto& [address, peer] : peers_) {
      if (absl::IsFailedPrecondition(peer.error)) return Describe(address, peer.error);
      if (why != nullptr && (peer.takes_work() || !why->takes_work())) continue;
      why = &peer;
      where = address;
    }
    if (!why->takes_work()) return Describe(where, why->error);
    return Describe(where, why->breaker.ejected() ? absl::UnavailableError(EjectedDetail(*why))
                                                  : absl::UnavailableError("will not do"));
  }

  static absl::Status Describe(const std::string& address, const absl::Status& error) {
    const auto code = absl::IsFailedPrecondition(error) ? absl::StatusCode::kFailedPrecondition
                                                        : absl::StatusCode::kUnavailable;
    return absl::Status(code, absl::StrCat("no peer is ready; ", address, ": ", error.message()));
  }

  const PeerPoolOptions options_;
  std::vector<PeerTarget> targets_;  // Tick's alone
  const Greet greet_;
  const Admits admits_;
  Resolver& resolver_;
  const Clock& clock_;

  mutable Mutex mutex_;
  CondVar wake_;
  std::map<std::string, Peer> peers_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Resolution> resolutions_ ABSL_GUARDED_BY(mutex_);
  bool nudged_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool any_ready_ = false;  // as told to on_ready; Tick's alone
  std::atomic<std::uint64_t> ejections_ = 0;
  std::thread thread_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_POOL_H_
