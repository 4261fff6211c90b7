// Which peer a request goes to. Pure functions of the state of the peers; they return an index.
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
  int elsewhere = 0;                           // its sequences of other gateways
  int room = std::numeric_limits<int>::max();  // sequences that it can hold in all
  std::uint32_t held = 0;  // tokens of the prompt's beginning that it may have in its cache

  int load() const { return running + elsewhere; }
};

// The verifier that a sequence goes to. Candidates are the peers whose address is not in `avoid`,
// and of these the ones with room, if any has room. Of the candidates the one that holds the
// longest beginning of the prompt is chosen. But if its load exceeds the least load by more than 2
// and by more than a quarter, it is left out. Ties go to the smaller load, then to the first in
// order. Absent without candidates.
std::optional<std::size_t> PickVerifier(std::span<const std::string> avoid,
                                        std::span<const ReadyPeer> peers);

// The drafter of `key`, by rendezvous hashing (highest random weight): each pair of key and address
// has a fixed weight, and the address with the highest weight wins. So every gateway picks the
// same, and when a peer comes or goes, only its own keys move. With a spread above 1 the least
// loaded of the `spread` highest wins, ties by weight. A spread below 1 counts as 1. Absent without
// peers.
std::optional<std::size_t> PickByKey(std::string_view key, std::span<const ReadyPeer> peers,
                                     int spread);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_SELECTION_H_
