// Checks that a tenant learns nothing about the matrix and the prompts of another tenant through
// the three services. (It can learn about the load: load changes times and the sizes of adaptive
// trees. Here every tree is the template.)
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

// Runs three services whose statistics depend only on the requests: every tree is the template and
// no draft is late. The caller waits with AwaitLearnt() until the drafter has learnt from a
// request.
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
         "--max_sequences=512"});  // a pass then has room for 512 rows, so no tree is cut
    drafter_ = cluster_.Start("recycling-drafter", {"--allow_shared"});
    gateway_ =
        cluster_.Start("recycling-gateway",
                       {"--verifiers=" + verifier, "--drafters=" + drafter_, "--speculation=fixed",
                        "--draft_deadline_ms=60000", "--api_keys=" + keys});
    EXPECT_TRUE(Eventually([&] { return AllPeersReady(As("admin")); }));
  }

  // Sends a request of `tenant` with the prompt that has the number `prompt`, and returns its 80
  // tokens.
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

  // Waits until no session is open. Then the drafter has learnt from all requests.
  void AwaitLearnt() const {
    const auto stub = drafter::v1::DrafterService::NewStub(Connect(drafter_));
    EXPECT_TRUE(Eventually([&] {
      grpc::ClientContext context;
      drafter::v1::GetMatrixInfoResponse info;
      return stub->GetMatrixInfo(&context, {}, &info).ok() && info.open_sessions() == 0;
    }));
  }

  // The snapshot of the matrix of `tenant`.
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

// Returns the answers to three requests of the second tenant, and its matrix after them. If
// `with_first`, the first tenant sends requests before each of them and at the same time.
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

TEST(IsolationTest, APrivateMatrixDoesNotChangeAnotherTenantsAnswers) {
  const auto alone = SecondTenantSees(kTenant, false);
  EXPECT_EQ(SecondTenantSees(kTenant, true), alone);
  EXPECT_NE(alone[0], alone[1]) << "the drafter learnt nothing, so this test compares nothing";
}

// With a shared matrix the same requests change the answers. So the comparison of the test above
// can fail.
TEST(IsolationTest, ASharedMatrixChangesAnotherTenantsAnswers) {
  EXPECT_NE(SecondTenantSees(kShared, true)[0], SecondTenantSees(kShared, false)[0]);
}

}  // namespace
}  // namespace recycling::integration
