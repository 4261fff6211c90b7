// Runs verifier, drafter and gateway as processes. Checks what still works when one of them stops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>

#include "common/program/program.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/proto_matchers.h"
#include "tests/integration/cluster.h"
#include "tests/integration/models.h"

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;
using doubles::IsOkAndHolds;
using doubles::ParseProto;
using ::testing::SizeIs;

constexpr absl::Duration kLong = absl::Minutes(1);

pb::GenerateRequest Request(int max_tokens, const std::string& more = "") {
  auto request = ParseProto<pb::GenerateRequest>(
      "prompt: 'the way of the' sampling { ignore_eos: true } " + more);
  request.mutable_sampling()->set_max_tokens(static_cast<std::uint32_t>(max_tokens));
  return request;
}

class ThreeServicesTest : public testing::Test {
 protected:
  void StartVerifier(std::vector<std::string> flags = {}) {
    flags.push_back("--model=" + TinyModel(cluster_.folder().path()));
    flags.push_back("--threads=1");
    verifier_ = cluster_.Start("recycling-verifier", flags);
  }

  // The gateway waits up to a minute for a draft, so no draft is late. It does not wait for a lost
  // verifier.
  void StartAll(std::vector<std::string> verifier_flags = {}) {
    StartVerifier(std::move(verifier_flags));
    drafter_ = cluster_.Start("recycling-drafter", {});
    gateway_address_ = cluster_.StartGateway(
        verifier_, drafter_, {"--draft_deadline_ms=60000", "--failover_timeout=0s"});
    gateway_ = Connect(gateway_address_);
  }

  Cluster cluster_;
  std::string verifier_, drafter_, gateway_address_;
  std::shared_ptr<grpc::Channel> gateway_;
};

TEST_F(ThreeServicesTest, DraftedAndPlainDecodingGiveTheSameText) {
  StartAll();
  const Output drafted = Generate(gateway_, Request(100));
  ASSERT_TRUE(drafted.status.ok()) << drafted.ForPeople();
  EXPECT_THAT(drafted.ids, SizeIs(100));
  EXPECT_FALSE(drafted.text.empty());
  EXPECT_EQ(drafted.final.usage().completion_tokens(), 100u);
  EXPECT_EQ(drafted.final.finish_reason(), pb::FINISH_REASON_LENGTH);
  EXPECT_GT(drafted.final.speculation().drafted_steps(), 0u);
  EXPECT_EQ(drafted.Fallbacks(), 0u);
  EXPECT_EQ(drafted.final.speculation().drafter(), drafter_);

  const Output plain =
      Generate(gateway_, Request(100, "speculation { mode: SPECULATION_MODE_OFF }"));
  EXPECT_TRUE(plain.SameTokens(drafted)) << plain.ForPeople() << drafted.ForPeople();
  EXPECT_EQ(plain.final.speculation().steps(), 100u);
  EXPECT_EQ(plain.final.speculation().mean_accepted_tokens(), 1.0);
}

TEST_F(ThreeServicesTest, EveryProgramUsesUnixSocketsAndRemovesItsOwnAtTheEnd) {
  const auto socket = [this](const char* name) { return cluster_.folder() / name; };
  verifier_ = cluster_.Start("recycling-verifier",
                             {"--model=" + TinyModel(cluster_.folder().path()), "--threads=1"},
                             "unix:" + socket("verifier"));
  drafter_ = cluster_.Start("recycling-drafter", {}, "unix:" + socket("drafter"));
  EXPECT_EQ(drafter_, "unix:" + socket("drafter"));
  gateway_address_ =
      cluster_.Start("recycling-gateway",
                     {"--verifiers=" + verifier_, "--drafters=" + drafter_, "--speculation=fixed"},
                     "unix:" + socket("gateway"));
  gateway_ = Connect(gateway_address_);
  ASSERT_TRUE(Eventually([&] { return AllPeersReady(gateway_); }));
  const Output output = Generate(gateway_, Request(50));
  ASSERT_TRUE(output.status.ok()) << output.ForPeople();
  EXPECT_THAT(output.ids, SizeIs(50));
  EXPECT_GT(output.final.speculation().drafted_steps(), 0u);

  for (const auto& [address, name] :
       {std::pair(gateway_address_, "gateway"), std::pair(drafter_, "drafter"),
        std::pair(verifier_, "verifier")}) {
    struct stat info = {};
    ASSERT_EQ(lstat(socket(name).c_str(), &info), 0) << name;
    EXPECT_TRUE(S_ISSOCK(info.st_mode)) << name;
    EXPECT_EQ(info.st_mode & S_IRWXO, 0u) << name << ": other users could connect";
    cluster_.at(address).Signal(SIGTERM);
    EXPECT_THAT(cluster_.at(address).Wait(kLong), IsOkAndHolds(kExitOk)) << name;
    EXPECT_NE(lstat(socket(name).c_str(), &info), 0) << name << " did not remove its socket";
  }
}

TEST_F(ThreeServicesTest, AnAbsentDrafterChangesNoTokenAndCountsAsFallbacks) {
  StartVerifier();
  drafter_ = cluster_.Start("recycling-drafter", {});
  cluster_.Kill(drafter_);
  const std::string address =
      cluster_.Start("recycling-gateway", {"--verifiers=" + verifier_, "--drafters=" + drafter_});
  gateway_ = Connect(address);
  Output output;
  ASSERT_TRUE(Eventually([&] {
    output = Generate(gateway_, Request(20));
    return output.status.error_code() != grpc::StatusCode::UNAVAILABLE;
  }));
  ASSERT_TRUE(output.status.ok()) << output.ForPeople();
  EXPECT_EQ(output.final.speculation().steps(), 20u);
  // The last step has room for one token only, so it asks for no draft.
  EXPECT_EQ(output.Fallbacks(pb::FALLBACK_REASON_UNAVAILABLE), 19u);
  const Output plain =
      Generate(gateway_, Request(20, "speculation { mode: SPECULATION_MODE_OFF }"));
  EXPECT_TRUE(output.SameTokens(plain)) << output.ForPeople() << plain.ForPeople();
  EXPECT_EQ(plain.Fallbacks(), 0u);
}

TEST_F(ThreeServicesTest, KillingTheDrafterDuringARequestChangesNoToken) {
  StartAll();
  const Output plain =
      Generate(gateway_, Request(400, "speculation { mode: SPECULATION_MODE_OFF }"));
  const Output output = Generate(gateway_, Request(400), [&](int deltas) {
    if (deltas == 5) cluster_.Kill(drafter_);
    if (deltas == 10) cluster_.Start("recycling-drafter", {}, drafter_);
  });
  ASSERT_TRUE(output.status.ok()) << output.ForPeople();
  EXPECT_TRUE(output.SameTokens(plain)) << output.ForPeople() << plain.ForPeople();
  EXPECT_GT(output.final.speculation().drafted_steps(), 0u);
  EXPECT_GT(output.Fallbacks(pb::FALLBACK_REASON_UNAVAILABLE), 0u) << output.ForPeople();

  ASSERT_TRUE(Eventually([&] { return AllPeersReady(gateway_); }));
  const Output again = Generate(gateway_, Request(100));
  EXPECT_GT(again.final.speculation().drafted_steps(), 0u);
  EXPECT_EQ(again.Fallbacks(), 0u) << again.ForPeople();
}

TEST_F(ThreeServicesTest, CancellingFreesTheSlot) {
  StartAll({"--max_sequences=1"});
  const auto verifier = Connect(verifier_);
  grpc::ClientContext context;
  int open = 0;
  const Output cancelled = Generate(
      gateway_, Request(2000),
      [&](int deltas) {
        if (deltas == 1) open = OpenSequences(verifier);
        if (deltas == 2) context.TryCancel();
      },
      &context);
  EXPECT_EQ(open, 1);
  EXPECT_EQ(cancelled.status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return OpenSequences(verifier) == 0; }));
  EXPECT_TRUE(Generate(gateway_, Request(5)).status.ok());
}

TEST_F(ThreeServicesTest, ADeadlineEndsTheRequestAndFreesTheSlot) {
  StartAll({"--max_sequences=1"});
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  const Output late = Generate(gateway_, Request(2000), nullptr, &context);
  EXPECT_EQ(late.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << late.ForPeople();
  const auto verifier = Connect(verifier_);
  EXPECT_TRUE(Eventually([&] { return OpenSequences(verifier) == 0; }));
  EXPECT_TRUE(Generate(gateway_, Request(5)).status.ok());
}

TEST_F(ThreeServicesTest, AfterSigtermEveryProgramFinishesTheRunningRequest) {
  StartAll();
  const Output output = Generate(gateway_, Request(400), [&](int deltas) {
    if (deltas != 2) return;
    for (const auto& address : {gateway_address_, drafter_, verifier_}) {
      cluster_.at(address).Signal(SIGTERM);
    }
  });
  EXPECT_TRUE(output.status.ok()) << output.ForPeople();
  EXPECT_THAT(output.ids, SizeIs(400));
  for (const auto& address : {gateway_address_, drafter_, verifier_}) {
    EXPECT_THAT(cluster_.at(address).Wait(kLong), IsOkAndHolds(kExitOk)) << address;
  }
}

TEST_F(ThreeServicesTest, TheGatewayUsesARestartedVerifier) {
  StartAll();
  const Output before = Generate(gateway_, Request(20));
  ASSERT_TRUE(before.status.ok()) << before.ForPeople();
  cluster_.Kill(verifier_);
  const Output without = Generate(gateway_, Request(20));
  EXPECT_EQ(without.status.error_code(), grpc::StatusCode::UNAVAILABLE) << without.ForPeople();
  ASSERT_EQ(cluster_.Start("recycling-verifier",
                           {"--model=" + cluster_.folder().path() + "/tiny.gguf"}, verifier_),
            verifier_);
  ASSERT_TRUE(Eventually([&] { return AllPeersReady(gateway_); }));
  const Output after = Generate(gateway_, Request(20));
  EXPECT_TRUE(after.SameTokens(before)) << after.ForPeople();
}

}  // namespace
}  // namespace recycling::integration
