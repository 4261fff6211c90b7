// Streams that outlive their verifiers: what is killed, stopped or asked to go while it generates
// is chosen by what the client has seen, and the output equals the undisturbed one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <functional>

#include "common/program.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/proto_matchers.h"
#include "tests/integration/cluster.h"
#include "tests/integration/models.h"

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

  // Sampled, with penalties, log-probabilities and a seed.
  static pb::GenerateRequest Request(int max_tokens, bool drafts) {
    auto request = ParseProto<pb::GenerateRequest>(
        "prompt: 'the way of the' sampling { ignore_eos: true temperature: 0.7 top_p: 0.95 seed: 5 "
        "repetition_penalty: 1.1 frequency_penalty: 0.2 presence_penalty: 0.1 top_logprobs: 2 }");
    request.mutable_sampling()->set_max_tokens(static_cast<std::uint32_t>(max_tokens));
    if (!drafts) request.mutable_speculation()->set_mode(pb::SPECULATION_MODE_OFF);
    return request;
  }

  // Where the one request that runs is.
  std::string Busy() {
    for (const std::string& address : verifiers_) {
      if (OpenSequences(Connect(address)) == 1) return address;
    }
    return "";
  }

  // Runs the request alone, then again with `disturb(address of its verifier)` at a delta. There
  // are far more tokens to come than may be on the way to the client.
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

TEST_F(FailoverTest, WithAllVerifiersGoneAStreamWaitsUntilOneIsBack) {
  ExpectSameDespite(
      [&](const std::string&) {
        for (const std::string& address : verifiers_) cluster_.Kill(address);
        StartVerifier(verifiers_[0]);
      },
      true);
}

TEST_F(FailoverTest, AVerifierThatHangsIsLeftWithinSeconds) {
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

TEST_F(FailoverTest, AVerifierThatIsAskedToStopIsLeftAndEndsWell) {
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

TEST_F(FailoverTest, AListThatIsReplacedMovesWhatRuns) {
  const std::string list = cluster_.folder() / "verifiers";
  std::ofstream(list) << verifiers_[0] << "\n";
  const auto gateway = Connect(cluster_.StartGateway("@" + list, drafter_));
  const auto peers = [&] {
    grpc::ClientContext context;
    pb::GetStatsResponse stats;
    pb::GatewayService::NewStub(gateway)->GetStats(&context, {}, &stats);
    std::vector<std::string> ready;
    for (const auto& peer : stats.peers()) {
      if (peer.role() == pb::PEER_ROLE_VERIFIER && peer.ready()) ready.push_back(peer.address());
    }
    return ready;
  };
  ASSERT_EQ(peers(), std::vector<std::string>{verifiers_[0]});
  std::ofstream(list, std::ios::trunc) << "# the new one\n" << verifiers_[1] << "\n";
  EXPECT_TRUE(Eventually([&] { return peers() == std::vector<std::string>{verifiers_[1]}; }));
  const Output output = Generate(gateway, Request(20, true));
  EXPECT_TRUE(output.status.ok()) << output.ForPeople();
  EXPECT_EQ(output.final.speculation().verifier(), verifiers_[1]);
}

}  // namespace
}  // namespace recycling::integration
