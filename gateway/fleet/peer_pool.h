#ifndef RECYCLING_GATEWAY_FLEET_PEER_POOL_H_
#define RECYCLING_GATEWAY_FLEET_PEER_POOL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "common/base/status_macros.h"
#include "gateway/fleet/peer_keeper.h"
#include "gateway/fleet/peer_table.h"
#include "gateway/fleet/peer_target.h"
#include "gateway/fleet/selection.h"

namespace recycling::gateway {

// The peers of one role. Each peer that is ready has a client of type Client. peer_table.h says
// when a peer is ready; peer_keeper.h finds that out. Threads: any, except for Start and Tick. Call
// Start at most once. Call Tick only if Start is never called, and from one thread.
template <typename Client>
class PeerPool {
 public:
  // Makes a handshake with the peer at `address`. Returns a client that is ready for work, or an
  // error that says why there is none. Blocks for a bounded time. Called by several threads at
  // once, for different peers.
  using Greet = std::function<absl::StatusOr<std::shared_ptr<Client>>(const std::string& address)>;

  // Returns OK if a peer that answered a handshake takes new work, else an error that says why not.
  using Admits = std::function<absl::Status(const Client& client)>;

  // `resolver` and `clock` must outlive the pool. Without `admits` every peer takes work.
  PeerPool(PeerPoolOptions options, Greet greet, Resolver& resolver, const Clock& clock,
           Admits admits = nullptr)
      : keeper_(
            std::move(options),
            [greet = std::move(greet), admits = std::move(admits)](
                const std::string& address) -> absl::StatusOr<PeerKeeper::Greeted> {
              ASSIGN_OR_RETURN(std::shared_ptr<Client> client, greet(address));
              absl::Status admitted = admits ? admits(*client) : absl::OkStatus();
              return PeerKeeper::Greeted{std::move(client), std::move(admitted)};
            },
            resolver, clock) {}

  // From now on the pool makes handshakes with its peers, on its own threads.
  void Start() { keeper_.Start(); }
  // See PeerKeeper::Tick.
  absl::Duration Tick() { return keeper_.Tick(); }
  // Causes a handshake with every peer soon, even if none is due.
  void Nudge() { keeper_.Nudge(); }

  // The caller reports that a call at `address`, which began at `since` (Clock::Monotonic()), ended
  // with `outcome`. The status must come from the peer or its connection. Unavailable makes the
  // peer unready. After any error a handshake soon decides whether the peer is ready. Only errors
  // by the peer's fault (peer_fault.h) count towards ejection.
  void Report(const std::string& address, const absl::Status& outcome,
              absl::Duration since = absl::InfiniteDuration()) {
    keeper_.Report(address, outcome, since);
  }

  // The caller reports whether an answer of the peer was usable (OK), or late or wrong (an error).
  // Such an error always counts as the peer's fault, but does not cause a handshake. Returns
  // whether the caller may ask the peer again.
  bool Judge(const std::string& address, const absl::Status& answer) {
    return keeper_.Judge(address, answer);
  }

  using Choose = std::function<std::optional<std::size_t>(std::span<const ReadyPeer>,
                                                          std::span<const Client* const>)>;

  // Returns the client that `choose` picks among the peers that are ready and take work. A request
  // counts as running at this peer until the pointer is destroyed, which may be after the pool is
  // destroyed. If there is no such peer, returns FailedPrecondition with the reason if the last
  // handshake with a peer failed with this code; else Unavailable with the reason.
  absl::StatusOr<std::shared_ptr<Client>> PickFrom(const Choose& choose) {
    ASSIGN_OR_RETURN(std::shared_ptr<void> picked,
                     keeper_.table().Pick([&choose](std::span<const ReadyPeer> ready,
                                                    std::span<const void* const> untyped) {
                       std::vector<const Client*> clients;
                       for (const void* client : untyped) {
                         clients.push_back(static_cast<const Client*>(client));
                       }
                       return choose(ready, clients);
                     }));
    return std::static_pointer_cast<Client>(std::move(picked));
  }

  absl::StatusOr<std::shared_ptr<Client>> Pick(
      const std::function<std::optional<std::size_t>(std::span<const ReadyPeer>)>& choose) {
    return PickFrom([&choose](std::span<const ReadyPeer> ready, std::span<const Client* const>) {
      return choose(ready);
    });
  }

  // Calls `see` with every client that is ready and takes work, under a lock of the pool.
  void ForEachReady(const std::function<void(const Client&)>& see) const {
    keeper_.table().ForEachReady(
        [&see](const void* client) { see(*static_cast<const Client*>(client)); });
  }

  // Ejections since the start, also of peers that have left the list.
  std::uint64_t ejections() const { return keeper_.table().ejections(); }

  // The status of every peer, and of every name that cannot be resolved.
  std::vector<PeerStatus> Statuses() const { return keeper_.Statuses(); }

 private:
  PeerKeeper keeper_;
};

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_PEER_POOL_H_
