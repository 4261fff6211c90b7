#include "gateway/fleet/selection.h"

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

TEST(PickByKeyTest, PicksNothingWithoutPeers) {
  EXPECT_EQ(PickByKey("default", {}, 1), std::nullopt);
}

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

TEST(PickByKeyTest, WithASpreadOfTwoPicksTheLessLoadedOfTwoPeers) {
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

// Returns verifiers with these numbers of running sequences.
std::vector<ReadyPeer> Loaded(const std::vector<int>& loads) {
  std::vector<ReadyPeer> peers = Peers(static_cast<int>(loads.size()));
  for (std::size_t i = 0; i < loads.size(); ++i) peers[i].running = loads[i];
  return peers;
}

TEST(PickVerifierTest, PicksTheVerifierWithTheLeastLoadOfAllGateways) {
  EXPECT_EQ(PickVerifier({}, {}), std::nullopt);
  std::vector<ReadyPeer> peers = Loaded({3, 1, 1});
  EXPECT_EQ(PickVerifier({}, peers), 1u);
  peers[1].elsewhere = 1;
  EXPECT_EQ(PickVerifier({}, peers), 2u);
}

TEST(PickVerifierTest, NeverPicksAnAvoidedAddress) {
  const std::vector<ReadyPeer> peers = Loaded({0, 5});
  const std::vector<std::string> first = {peers[0].address};
  EXPECT_EQ(PickVerifier(first, peers), 1u);
  const std::vector<std::string> both = {peers[1].address, peers[0].address};
  EXPECT_EQ(PickVerifier(both, peers), std::nullopt);
}

TEST(PickVerifierTest, PicksAFullVerifierOnlyIfAllAreFull) {
  std::vector<ReadyPeer> peers = Loaded({2, 6, 3});
  peers[0].room = 2;
  EXPECT_EQ(PickVerifier({}, peers), 2u);
  peers[1].room = peers[2].room = 1;
  EXPECT_EQ(PickVerifier({}, peers), 0u);
}

TEST(PickVerifierTest, PicksTheVerifierWithTheLongestPrefixUnlessItIsMuchBusier) {
  std::vector<ReadyPeer> peers = Loaded({0, 2, 1});
  peers[1].held = 64;
  peers[2].held = 32;
  EXPECT_EQ(PickVerifier({}, peers), 1u) << "it has the longest prefix";
  peers[1].running = 3;
  EXPECT_EQ(PickVerifier({}, peers), 2u)
      << "verifier 1 has 3 sequences more than verifier 0; 2 are allowed";
  peers = Loaded({40, 50});
  peers[1].held = 32;
  EXPECT_EQ(PickVerifier({}, peers), 1u);
  peers[1].running = 51;
  EXPECT_EQ(PickVerifier({}, peers), 0u)
      << "verifier 1 has over a quarter more sequences than verifier 0";
  peers = Loaded({2, 1, 1});
  for (ReadyPeer& peer : peers) peer.held = 32;
  EXPECT_EQ(PickVerifier({}, peers), 1u) << "with equal prefixes the load decides";
}

}  // namespace
}  // namespace recycling::gateway
