// Keeps a PeerTable up to date: follows the list of peers, resolves names, and greets peers that
// are due (a greeting is a handshake). Greetings and resolutions run at the same time, each on its
// own thread. So a peer or a name server that does not answer delays no other peer.
#ifndef RECYCLING_GATEWAY_FLEET_PEER_KEEPER_H_
#define RECYCLING_GATEWAY_FLEET_PEER_KEEPER_H_

#include <functional>
#include <future>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/mutex.h"
#include "gateway/fleet/peer_addresses.h"
#include "gateway/fleet/peer_log.h"
#include "gateway/fleet/peer_table.h"
#include "gateway/fleet/peer_target.h"

namespace recycling::gateway {

// The functions are never called under a lock, and may be empty. `on_ready`, `poll_targets`,
// `on_removed` and `on_tick` are called by Tick; the others by any thread.
struct PeerPoolOptions {
  PeerRole role = PeerRole::kVerifier;
  std::vector<PeerTarget> targets;
  absl::Duration resolve = absl::Seconds(10);  // between resolutions of a name
  PeerTableOptions table;

  // Called with true when a peer is ready after none was, and with false when none is ready any
  // more.
  std::function<void(bool)> on_ready;
  // Returns the list of peers if it has changed. If the function is empty, `targets` never changes.
  std::function<std::optional<std::vector<PeerTarget>>()> poll_targets;
  // Called at least every `table.refresh`.
  std::function<void()> on_tick;
  // Returns the time at which the peer last answered work, Clock::Monotonic().
  std::function<absl::Duration(const std::string& address)> heard;
  // Called when a greeting finds that the peer is gone or has not answered for too long. `error`
  // says why. May be called again for the same peer.
  std::function<void(const std::string& address, const absl::Status& error)> on_lost;
  // Called when the peer is no longer in the list. The peer may still run and work.
  std::function<void(const std::string& address)> on_removed;
  // Called when a pick may have another result than before.
  std::function<void()> on_change;

  // Runs a greeting or a resolution. If empty, each task gets its own thread. Tests run it at once.
  std::function<void(std::function<void()> task)> run;
};

// Logs each loss and each return of a peer once (peer_log.h). Threads: any, except for Start and
// Tick. Call Start at most once. Call Tick only if Start is never called, and from one thread.
class PeerKeeper {
 public:
  struct Greeted {
    std::shared_ptr<void> client;
    absl::Status admitted;  // see PeerTable::Greeted
  };
  // Makes a handshake with the peer at `address`. An error says why the peer is not ready. Blocks
  // for a bounded time. Called by several threads at once, for different peers.
  using Greet = std::function<absl::StatusOr<Greeted>(const std::string& address)>;

  // `resolver` and `clock` must outlive this.
  PeerKeeper(PeerPoolOptions options, Greet greet, Resolver& resolver, const Clock& clock);

  // Waits for the greetings and resolutions that are under way.
  ~PeerKeeper();

  PeerKeeper(const PeerKeeper&) = delete;
  PeerKeeper& operator=(const PeerKeeper&) = delete;

  // Calls Tick on a thread of its own, whenever something is due or has changed.
  void Start();

  // Begins the greetings and resolutions that are due. Returns the time until something is due
  // again.
  absl::Duration Tick();

  // Causes a greeting of every peer soon, even if none is due.
  void Nudge();

  // See PeerPool.
  void Report(const std::string& address, const absl::Status& outcome, absl::Duration since);
  bool Judge(const std::string& address, const absl::Status& answer);
  std::vector<PeerStatus> Statuses() const;

  PeerTable& table() { return table_; }
  const PeerTable& table() const { return table_; }

 private:
  void TickUntilStopped();
  void Run(std::function<void()> task);
  void Resolve(const std::string& name);
  void GreetPeer(const PeerGreeting& greeting);
  void LogChange(const std::string& address, const PeerChange& change) const;
  bool Note(const std::string& address, const absl::Status& outcome, bool is_fault,
            absl::Duration since, bool doubt);
  void Wake();

  const PeerPoolOptions options_;
  const Greet greet_;
  Resolver& resolver_;
  const Clock& clock_;
  PeerAddresses addresses_;
  PeerTable table_;

  // Used by Tick alone.
  bool any_ready_ = false;  // the last value given to on_ready
  std::list<std::future<void>> running_;

  Mutex mutex_;
  CondVar wake_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_KEEPER_H_
