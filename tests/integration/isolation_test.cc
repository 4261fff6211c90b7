// Another tenant sees nothing of one tenant's matrix and prompts, through the three services. (It
// can see load, in times and in the trees that pay. Here every tree is the template.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "common/auth/api_keys.h"
#include "common/rpc/keyed_channel.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "tests/doubles/proto_matchers.h"
#include "tests/integration/cluster.h"
#include "tests/integration/models.h"

namespace recycling::integration {
namespace {

namespace pb = gateway::v1;
using doubles::ParseProto;

constexpr char kTenant[] = "speculation { matrix_scope: MATRIX_SCOPE_TENANT }";
constexpr char kShared[] = "speculation { matrix_scope: MATRIX_SCOPE_SHARED }";

// Three services in which all counts are functions of the requests: every tree is the template, no
// draft is late, and the drafter has learnt from a request before the next one begins.
class Services {
 public:
  Services() {
    const std::string keys = cluster_.folder() / "keys";
    std::ofstream(keys) << *ApiKeyLine("first", KeyRole::kInference, "first-key") << "\n"
                        << *ApiKeyLine("second", KeyRole::kInference, "second-key") << "\n"
                        << *ApiKeyLine("operator", KeyRole::kAdmin, "admin-key") << "\n";
    const std::string verifier = cluster_.Start(
        "recycling-verifier",
        {"--model=" + TinyModel(cluster_.folder().path()), "--threads=1",
         "--max_sequences=512"});  // as many rows in a pass: no draft row is cut for want of room
    drafter_ = cluster_.Start("recycling-drafter", {"--allow_shared"});
    gateway_ =
        cluster_.Start("recycling-gateway",
                       {"--verifiers=" + verifier, "--drafters=" + drafter_, "--speculation=fixed",
                        "--draft_deadline_ms=60000", "--api_keys=" + keys});
    EXPECT_TRUE(Eventually([&] { return AllPeersReady(As("admin")); }));
  }

  // The answer that `tenant` gets: 80 tokens after its own prompt or after the common one.
  Output Ask(const std::string& tenant, const std::string& speculation,
             std::uint32_t prompt) const {
    auto request = ParseProto<pb::GenerateRequest>("sampling { ignore_eos: true } " + speculation);
    for (std::uint32_t i = 0; i < 40; ++i) {
      request.mutable_prompt_ids()->add_ids(3 + (prompt + i * i * 7) % 300);
    }
    request.mutable_sampling()->set_max_tokens(80);
    Output output = Generate(As(tenant), request);
    EXPECT_TRUE(output.status.ok()) << output.ForPeople();
    EXPECT_EQ(output.Fallbacks(), 0u) << output.ForPeople();
    return output;
  }

  // Waits until no session is open: then the drafter has learnt everything.
  void AwaitLearnt() const {
    const auto stub = drafter::v1::DrafterService::NewStub(Connect(drafter_));
    EXPECT_TRUE(Eventually([&] {
      grpc::ClientContext context;
      drafter::v1::GetMatrixInfoResponse info;
      return stub->GetMatrixInfo(&context, {}, &info).ok() && info.open_sessions() == 0;
    }));
  }

  // The matrix of `tenant`, as saved.
  std::string Matrix(const std::string& tenant) const {
    drafter::v1::SaveMatrixRequest request;
    request.set_scope(common::v1::MATRIX_SCOPE_TENANT);
    request.set_tenant(tenant);
    grpc::ClientContext context;
    const auto reader =
        drafter::v1::DrafterService::NewStub(Connect(drafter_))->SaveMatrix(&context, request);
    std::string bytes;
    drafter::v1::SaveMatrixResponse response;
    while (reader->Read(&response)) bytes += response.chunk();
    EXPECT_TRUE(reader->Finish().ok());
    return bytes;
  }

 private:
  std::shared_ptr<grpc::Channel> As(const std::string& who) const {
    return CreateKeyedChannel(gateway_, grpc::InsecureChannelCredentials(), {}, who + "-key");
  }

  Cluster cluster_;
  std::string drafter_;
  std::string gateway_;
};

// Everything in an output except times and addresses.
std::string Facts(const Output& output) {
  pb::Final final = output.final;
  final.clear_timings();
  final.clear_steps();
  final.mutable_speculation()->clear_drafter();
  final.mutable_speculation()->clear_verifier();
  final.mutable_speculation()->clear_moving_micros();
  final.mutable_speculation()->clear_row_cost();
  final.clear_seed();
  return absl::StrCat(output.text, "\n", final.DebugString());
}

// The answers to three requests of the second tenant, and its matrix after them. The first tenant
// works before, between and at the same time, or not at all.
std::vector<std::string> SecondTenantSees(const std::string& speculation, bool with_first) {
  const Services services;
  std::vector<std::string> seen;
  for (int round = 0; round < 3; ++round) {
    std::thread beside;
    if (with_first) {
      for (std::uint32_t prompt = 0; prompt < 4; ++prompt)
        services.Ask("first", speculation, prompt);
      services.AwaitLearnt();
      beside = std::thread([&] {
        for (std::uint32_t prompt = 0; prompt < 3; ++prompt) {
          services.Ask("first", speculation, prompt);
        }
      });
    }
    seen.push_back(Facts(services.Ask("second", speculation, 1)));
    if (beside.joinable()) beside.join();
    services.AwaitLearnt();
  }
  if (speculation == kTenant) seen.push_back(services.Matrix("second"));
  return seen;
}

TEST(IsolationTest, APrivateMatrixLeavesNoTraceWithAnotherTenant) {
  const auto alone = SecondTenantSees(kTenant, false);
  EXPECT_EQ(SecondTenantSees(kTenant, true), alone);
  EXPECT_NE(alone[0], alone[1]) << "a tenant learns from itself, else this shows nothing";
}

// When tenants share a matrix by choice, the same requests do show. So the comparison can fail.
TEST(IsolationTest, ASharedMatrixShows) {
  EXPECT_NE(SecondTenantSees(kShared, true)[0], SecondTenantSees(kShared, false)[0]);
}

}  // namespace
}  // namespace recycling::integration
