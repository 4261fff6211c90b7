// Chooses the peer for a request. The functions are pure, and return an index into `peers`.
#ifndef RECYCLING_GATEWAY_FLEET_SELECTION_H_
#define RECYCLING_GATEWAY_FLEET_SELECTION_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace recycling::gateway {

// The state of a peer that is ready.
struct ReadyPeer {
  std::string address;
  int running = 0;              // requests of this gateway that use it now
  int running_at_greeting = 0;  // the same number at its last handshake

  // Used for verifiers only.
  int elsewhere = 0;                           // sequences of other gateways at this verifier
  int room = std::numeric_limits<int>::max();  // sequences that it can hold in all
  std::uint32_t held = 0;  // tokens of the prompt's beginning that it may have in its cache

  int load() const { return running + elsewhere; }
};

// Returns the verifier for a sequence. The candidates are the peers whose address is not in
// `avoid`. If a candidate has room, those without room are left out. A candidate is also left out
// if its load exceeds the least load by more than 2 and by more than a quarter. Of the rest, the
// one that holds the longest beginning of the prompt is chosen; if several hold equally much, the
// one with the smallest load, then the first in order. Returns nothing if there is no candidate.
std::optional<std::size_t> PickVerifier(std::span<const std::string> avoid,
                                        std::span<const ReadyPeer> peers);

// Returns the drafter for `key`, by rendezvous hashing (highest random weight): each pair of key
// and address has a fixed weight, and the address with the highest weight wins. So all gateways
// pick the same drafter. When a peer is added or removed, only its own keys move. If `spread` is
// above 1, the least loaded of the `spread` peers with the highest weights wins; of equally loaded
// ones, the one with the higher weight. A spread below 1 counts as 1. Returns nothing if there are
// no peers.
std::optional<std::size_t> PickByKey(std::string_view key, std::span<const ReadyPeer> peers,
                                     int spread);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_SELECTION_H_
