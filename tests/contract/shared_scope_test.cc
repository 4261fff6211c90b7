// Requests with the matrix scope SHARED at a gateway whose drafter does not allow that scope.
#include "drafter/service/drafter_server.h"
#include "tests/contract/gateway_service_fixture.h"

namespace recycling::gateway {
namespace {

class SharedScopeTest : public GatewayServiceTest {
 protected:
  SharedScopeTest() {
    EXPECT_THAT(drafter_, IsOk());
    options_.drafters.push_back({.address = "drafter-0"});
    servers_["drafter-0"] = *RpcServer::Start({}, {(*drafter_)->service()}, {});
    AddVerifier();
    Start();
  }
  ~SharedScopeTest() override { Stop(); }  // the gateway must end before the drafter

  Generated Ask(const std::string& scope) {
    return Generate(
        "prompt_ids { ids: [5, 6, 7] } sampling { ignore_eos: true max_tokens: 200 } "
        "speculation { mode: SPECULATION_MODE_FIXED matrix_scope: " +
        scope + " }");
  }

  absl::StatusOr<std::unique_ptr<drafter::DrafterServer>> drafter_ = drafter::CreateDrafter({});
};

TEST_F(SharedScopeTest, RequestsRefusedByTheDrafterDoNotEjectIt) {
  for (int i = 0; i < 3; ++i) {
    const Generated refused = Ask("MATRIX_SCOPE_SHARED");
    EXPECT_THAT(refused.status, IsOk()) << "a request goes on without drafts";
    EXPECT_EQ(refused.tokens(), Plain(200));
    EXPECT_GT(refused.fallbacks(v1::FALLBACK_REASON_MISMATCH), 100u);
  }
  const Generated other = Ask("MATRIX_SCOPE_TENANT");
  EXPECT_THAT(other.status, IsOk());
  EXPECT_GT(other.final.speculation().drafted_steps(), 0u);
  const v1::GetStatsResponse stats = Stats();
  for (const v1::Peer& peer : stats.peers()) {
    EXPECT_TRUE(peer.ready()) << peer.detail();
    EXPECT_EQ(peer.ejections(), 0u) << peer.address();
  }
}

}  // namespace
}  // namespace recycling::gateway
