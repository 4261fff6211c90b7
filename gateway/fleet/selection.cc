#include "gateway/fleet/selection.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace recycling::gateway {
namespace {

// FNV-1a over key, a separator and address, then the finalizer of MurmurHash3, because FNV alone
// leaves addresses that differ in the last digit close together.
std::uint64_t Weight(std::string_view key, std::string_view address) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  };
  add(key);
  add(std::string_view("\0", 1));
  add(address);
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

}  // namespace

std::optional<std::size_t> PickVerifier(std::span<const std::string> avoid,
                                        std::span<const ReadyPeer> peers) {
  std::vector<std::size_t> may;
  bool any_room = false;
  for (std::size_t i = 0; i < peers.size(); ++i) {
    if (std::find(avoid.begin(), avoid.end(), peers[i].address) != avoid.end()) continue;
    const bool room = peers[i].load() < peers[i].room;
    if (room && !any_room) may.clear();
    any_room = any_room || room;
    if (room || !any_room) may.push_back(i);
  }
  if (may.empty()) return std::nullopt;
  const auto lighter = [&](std::size_t a, std::size_t b) {
    return peers[a].load() < peers[b].load();
  };
  const std::size_t least = *std::min_element(may.begin(), may.end(), lighter);
  const int light = peers[least].load();
  const int busy = light + std::max(2, light / 4);
  std::size_t best = least;
  for (const std::size_t i : may) {
    if (peers[i].load() > busy || peers[i].held < peers[best].held) continue;
    if (peers[i].held > peers[best].held || lighter(i, best)) best = i;
  }
  return best;
}

std::optional<std::size_t> PickByKey(std::string_view key, std::span<const ReadyPeer> peers,
                                     int spread) {
  if (peers.empty()) return std::nullopt;
  std::vector<std::pair<std::uint64_t, std::size_t>> by_weight;
  for (std::size_t i = 0; i < peers.size(); ++i) {
    by_weight.emplace_back(Weight(key, peers[i].address), i);
  }
  std::sort(by_weight.rbegin(), by_weight.rend());
  by_weight.resize(std::min(by_weight.size(), static_cast<std::size_t>(std::max(spread, 1))));
  const auto least =
      std::min_element(by_weight.begin(), by_weight.end(), [&](const auto& a, const auto& b) {
        return peers[a.second].running < peers[b.second].running;
      });
  return least->second;
}

}  // namespace recycling::gateway
