// Kills, pauses or drains the verifier of a running request, and changes the lists of peers. The
// output must equal the output of an undisturbed run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_join.h"
#include "common/program/program.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/proto_matchers.h"
#include "tests/integration/cluster.h"
#include "tests/integration/models.h"
#include "verifier/kernels/cpu.h"

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;
using doubles::IsOkAndHolds;
using doubles::ParseProto;

class FailoverTest : public testing::Test {
 protected:
  FailoverTest() : model_(TinyModel(cluster_.folder().path())) {
    for (int i = 0; i < 2; ++i) verifiers_.push_back(StartVerifier());
    drafter_ = cluster_.Start("recycling-drafter", {});
    gateway_ =
        Connect(cluster_.StartGateway(verifiers_[0] + "," + verifiers_[1], drafter_,
                                      {"--draft_deadline_ms=60000", "--failover_timeout=60s"}));
  }

  std::string StartVerifier(const std::string& listen = "127.0.0.1:0") {
    return cluster_.Start("recycling-verifier", {"--model=" + model_, "--threads=1"}, listen);
  }

  // A request with sampling, penalties, log-probabilities and a seed.
  static pb::GenerateRequest Request(int max_tokens, bool drafts) {
    auto request = ParseProto<pb::GenerateRequest>(
        "prompt: 'the way of the' sampling { ignore_eos: true temperature: 0.7 top_p: 0.95 seed: 5 "
        "repetition_penalty: 1.1 frequency_penalty: 0.2 presence_penalty: 0.1 top_logprobs: 2 }");
    request.mutable_sampling()->set_max_tokens(static_cast<std::uint32_t>(max_tokens));
    if (!drafts) request.mutable_speculation()->set_mode(pb::SPECULATION_MODE_OFF);
    return request;
  }

  // The address of the verifier that holds the only running request.
  std::string Busy() {
    for (const std::string& address : verifiers_) {
      if (OpenSequences(Connect(address)) == 1) return address;
    }
    return "";
  }

  // Runs a request twice. In the second run, calls `disturb` with the address of the request's
  // verifier after the tenth delta. The request is so long that the verifier cannot have sent all
  // its tokens by then.
  void ExpectSameDespite(const std::function<void(const std::string&)>& disturb, bool drafts) {
    const pb::GenerateRequest request = Request(1500, drafts);
    const Output expected = Generate(gateway_, request);
    ASSERT_TRUE(expected.status.ok()) << expected.ForPeople();
    const Output got = Generate(gateway_, request, [&](int deltas) {
      if (deltas != 10) return;
      const std::string busy = Busy();
      EXPECT_FALSE(busy.empty());
      if (!busy.empty()) disturb(busy);
    });
    EXPECT_TRUE(got.SameTokens(expected)) << got.ForPeople() << expected.ForPeople();
    EXPECT_GE(got.final.speculation().moves(), 1u) << got.ForPeople();
  }

  Cluster cluster_;
  const std::string model_;
  std::vector<std::string> verifiers_;
  std::string drafter_;
  std::shared_ptr<grpc::Channel> gateway_;
};

TEST_F(FailoverTest, KillingTheVerifierChangesNothing) {
  for (const bool drafts : {false, true}) {
    ExpectSameDespite([&](const std::string& address) { cluster_.Kill(address); }, drafts);
    for (const std::string& address : verifiers_) {
      if (OpenSequences(Connect(address)) < 0) StartVerifier(address);
    }
    ASSERT_TRUE(Eventually([&] { return AllPeersReady(gateway_); }));
  }
}

TEST_F(FailoverTest, WithoutVerifiersAStreamWaitsUntilOneStarts) {
  ExpectSameDespite(
      [&](const std::string&) {
        for (const std::string& address : verifiers_) cluster_.Kill(address);
        StartVerifier(verifiers_[0]);
      },
      true);
}

TEST_F(FailoverTest, ASequenceLeavesAHangingVerifier) {
  std::string stopped;
  ExpectSameDespite(
      [&](const std::string& address) {
        stopped = address;
        cluster_.at(address).Signal(SIGSTOP);
      },
      true);
  cluster_.at(stopped).Signal(SIGCONT);
  EXPECT_TRUE(Eventually([&] { return AllPeersReady(gateway_); }));
  EXPECT_TRUE(Eventually([&] { return OpenSequences(Connect(stopped)) == 0; }));
}

TEST_F(FailoverTest, ASequenceLeavesADrainingVerifierWhichExitsWithZero) {
  std::string asked;
  const pb::GenerateRequest request = Request(1500, /*drafts=*/false);
  const Output expected = Generate(gateway_, request);
  const Output got = Generate(gateway_, request, [&](int deltas) {
    if (deltas != 10) return;
    asked = Busy();
    ASSERT_FALSE(asked.empty());
    cluster_.at(asked).Signal(SIGTERM);
  });
  EXPECT_TRUE(got.SameTokens(expected)) << got.ForPeople() << expected.ForPeople();
  EXPECT_THAT(cluster_.at(asked).Wait(absl::Minutes(1)), IsOkAndHolds(kExitOk));
}

// Each verifier has another kernel. The sequence moves from one to the next until the last one ends
// it.
TEST_F(FailoverTest, ASequenceThatMovesThroughAllKernelsChangesNothing) {
  const std::string model = cluster_.folder() / "q8_0.gguf";
  ASSERT_TRUE(doubles::WriteTinyModel(
      {.feed_forward = 64, .context_length = 2048, .matrix_type = 8}, model));
  verifiers_.clear();
  for (const verifier::InstructionSet set : verifier::SupportedInstructionSets()) {
    verifiers_.push_back(cluster_.Start(
        "recycling-verifier",
        {"--model=" + model, "--threads=1", "--kernel=" + std::string(verifier::Name(set))}));
  }
  gateway_ = Connect(cluster_.StartGateway(absl::StrJoin(verifiers_, ","),
                                           cluster_.Start("recycling-drafter", {}),
                                           {"--draft_deadline_ms=60000"}));
  const pb::GenerateRequest request = Request(1500, /*drafts=*/true);
  const Output expected = Generate(gateway_, request);
  ASSERT_TRUE(expected.status.ok()) << expected.ForPeople();
  const auto moves = static_cast<int>(verifiers_.size()) - 1;
  const Output got = Generate(gateway_, request, [&](int deltas) {
    if (deltas % 20 != 10 || deltas / 20 >= moves) return;
    const std::string busy = Busy();
    ASSERT_FALSE(busy.empty());
    cluster_.Kill(busy);
  });
  EXPECT_TRUE(got.SameTokens(expected)) << got.ForPeople() << expected.ForPeople();
  EXPECT_EQ(got.final.speculation().moves(), static_cast<std::uint64_t>(moves));
}

// Changes the lists of peers while a client sends requests.
class PeerListTest : public FailoverTest {
 protected:
  PeerListTest()
      : verifier_list_(cluster_.folder() / "verifiers"),
        drafter_list_(cluster_.folder() / "drafters") {
    drafters_ = {drafter_, cluster_.Start("recycling-drafter", {})};
    Write(verifier_list_, {verifiers_[0]});
    Write(drafter_list_, {drafters_[0]});
    listed_ = Connect(cluster_.StartGateway("@" + verifier_list_, "@" + drafter_list_,
                                            {"--draft_deadline_ms=60000"}));
  }

  // Replaces the file by a rename, so no program reads a half-written file.
  static void Write(const std::string& path, const std::vector<std::string>& peers) {
    std::ofstream(path + ".new") << "# peers\n" << absl::StrJoin(peers, "\n") << "\n";
    ASSERT_EQ(std::rename((path + ".new").c_str(), path.c_str()), 0);
  }

  // The addresses of the ready peers of `role`, sorted.
  std::vector<std::string> Peers(pb::PeerRole role) {
    grpc::ClientContext context;
    pb::GetStatsResponse stats;
    pb::GatewayService::NewStub(listed_)->GetStats(&context, {}, &stats);
    std::vector<std::string> ready;
    for (const auto& peer : stats.peers()) {
      if (peer.role() == role && peer.ready()) ready.push_back(peer.address());
    }
    std::sort(ready.begin(), ready.end());
    return ready;
  }

  void Replace(pb::PeerRole role, std::vector<std::string> peers) {
    Write(role == pb::PEER_ROLE_VERIFIER ? verifier_list_ : drafter_list_, peers);
    std::sort(peers.begin(), peers.end());
    EXPECT_TRUE(Eventually([&] { return Peers(role) == peers; })) << absl::StrJoin(peers, " ");
  }

  const std::string verifier_list_, drafter_list_;
  std::vector<std::string> drafters_;
  std::shared_ptr<grpc::Channel> listed_;
};

TEST_F(PeerListTest, NewPeerListsChangeNoOutput) {
  const pb::GenerateRequest request = Request(300, /*drafts=*/true);
  const Output expected = Generate(listed_, request);
  ASSERT_TRUE(expected.status.ok()) << expected.ForPeople();
  std::atomic<bool> over = false;
  std::set<std::string> drafters;
  std::set<std::string> verifiers;
  std::thread client([&] {
    while (!over) {
      const Output got = Generate(listed_, request);
      EXPECT_TRUE(got.SameTokens(expected)) << got.ForPeople() << expected.ForPeople();
      drafters.insert(got.final.speculation().drafter());
      verifiers.insert(got.final.speculation().verifier());
    }
  });
  // Runs two requests with these peers.
  const auto serve = [&] {
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(Generate(listed_, request).SameTokens(expected));
  };
  for (const std::vector<std::string>& peers :
       {std::vector{drafters_[0], drafters_[1]}, {drafters_[1]}, {}, {drafters_[0]}}) {
    Replace(pb::PEER_ROLE_DRAFTER, peers);
    serve();
  }
  for (const std::vector<std::string>& peers :
       {std::vector{verifiers_[0], verifiers_[1]}, {verifiers_[1]}, {verifiers_[0]}}) {
    Replace(pb::PEER_ROLE_VERIFIER, peers);
    serve();
  }
  over = true;
  client.join();
  EXPECT_TRUE(drafters.contains(drafters_[0]) && drafters.contains(drafters_[1]));
  EXPECT_TRUE(verifiers.contains(verifiers_[0]) && verifiers.contains(verifiers_[1]));
}

}  // namespace
}  // namespace recycling::integration
