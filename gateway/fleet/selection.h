// Which peer a request goes to. Pure: what the peers are now in, an index out.
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

// A peer that is ready.
struct ReadyPeer {
  std::string address;
  int running = 0;              // requests of this gateway that use it now
  int running_at_greeting = 0;  // the same when it said last how busy it is

  // Of verifiers.
  int elsewhere = 0;                           // sequences of other gateways
  int room = std::numeric_limits<int>::max();  // sequences it can hold
  std::uint32_t held = 0;                      // tokens of the prompt that it may hold already

  int load() const { return running + elsewhere; }
};

// The verifier a sequence goes to, among those whose address is not in `avoid`: of those with room
// (of all, if none has any) the one that holds the longest beginning of the prompt, unless it is
// clearly busier, which is by more than 2 sequences and more than a quarter, than the least loaded;
// that one else. Ties by load, then by order.
std::optional<std::size_t> PickVerifier(std::span<const std::string> avoid,
                                        std::span<const ReadyPeer> peers);

// Rendezvous hashing (highest random weight): each (key, address) has a fixed weight, the heaviest
// address wins. When a peer comes or goes only its own keys move. With spread > 1 the least loaded
// of the `spread` heaviest wins, ties by weight. Every gateway picks alike. Absent without peers;
// spread below 1 counts as 1.
std::optional<std::size_t> PickByKey(std::string_view key, std::span<const ReadyPeer> peers,
                                     int spread);

}  // namespace recycling::gateway

#endif  // RECYCLING_GATEWAY_FLEET_SELECTION_H_
