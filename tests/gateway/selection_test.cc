#include "gateway/selection.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace recycling::gateway {
namespace {

std::vector<ReadyPeer> Peers(int count) {
  std::vector<ReadyPeer> peers;
  for (int i = 0; i < count; ++i)
    peers.push_back({.address = "10.0.0." + std::to_string(i) + ":1"});
  return peers;
}

TEST(LeastLoadedTest, PicksTheFirstOfTheLeastLoaded) {
  EXPECT_EQ(LeastLoaded({}), std::nullopt);
  const std::vector<ReadyPeer> peers = {{"a", 2}, {"b", 1}, {"c", 1}};
  EXPECT_EQ(LeastLoaded(peers), 1u);
}

TEST(PickByKeyTest, NoPeersNoPick) { EXPECT_EQ(PickByKey("default", {}, 1), std::nullopt); }

TEST(PickByKeyTest, DoesNotDependOnTheOrderOfPeers) {
  const std::vector<ReadyPeer> peers = Peers(5);
  const std::vector<ReadyPeer> reversed(peers.rbegin(), peers.rend());
  for (int t = 0; t < 50; ++t) {
    const std::string tenant = "tenant" + std::to_string(t);
    EXPECT_EQ(peers[*PickByKey(tenant, peers, 1)].address,
              reversed[*PickByKey(tenant, reversed, 1)].address);
  }
}

TEST(PickByKeyTest, SpreadsTenantsOverPeers) {
  const std::vector<ReadyPeer> peers = Peers(4);
  std::map<std::size_t, int> tenants;
  for (int t = 0; t < 4000; ++t) ++tenants[*PickByKey("tenant" + std::to_string(t), peers, 1)];
  for (const auto& [peer, count] : tenants) EXPECT_NEAR(count, 1000, 150) << peer;
  EXPECT_EQ(tenants.size(), 4u);
}

TEST(PickByKeyTest, OnlyTenantsOfALostPeerMove) {
  const std::vector<ReadyPeer> all = Peers(5);
  const std::vector<ReadyPeer> fewer(all.begin(), all.end() - 1);
  for (int t = 0; t < 500; ++t) {
    const std::string tenant = "tenant" + std::to_string(t);
    const std::size_t before = *PickByKey(tenant, all, 1);
    if (before < fewer.size()) {
      EXPECT_EQ(PickByKey(tenant, fewer, 1), before);
    }
  }
}

TEST(PickByKeyTest, SpreadTakesTheLeastLoadedOfTheHeaviest) {
  std::vector<ReadyPeer> peers = Peers(4);
  const std::size_t heaviest = *PickByKey("default", peers, 2);
  EXPECT_EQ(heaviest, *PickByKey("default", peers, 1));
  peers[heaviest].running = 1;
  const std::size_t second = *PickByKey("default", peers, 2);
  EXPECT_NE(second, heaviest);
  EXPECT_EQ(*PickByKey("default", peers, 1), heaviest);
  peers[second].running = 2;
  EXPECT_EQ(*PickByKey("default", peers, 2), heaviest);
  EXPECT_EQ(*PickByKey("default", peers, 0), heaviest);
}

}  // namespace
}  // namespace recycling::gateway
