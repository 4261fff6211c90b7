#include "gateway/fleet/drafter_fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/mock_drafter_client.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;
using ::testing::NiceMock;
using ::testing::ReturnRef;

// A drafter whose handshake says whether it allows the shared scope.
class Drafter final : public NiceMock<doubles::MockDrafterClient> {
 public:
  Drafter(std::string address, bool allows_shared)
      : address_(std::move(address)), allows_shared_(allows_shared) {
    ON_CALL(*this, address).WillByDefault(ReturnRef(address_));
  }
  bool shared_scope_allowed() const override { return allows_shared_; }

 private:
  const std::string address_;
  const bool allows_shared_;
};

class DrafterFleetTest : public ::testing::Test {
 protected:
  // Makes a fleet of the ready drafters a:1, b:1 and c:1. The drafters in `allow` allow the shared
  // scope.
  void Make(const std::set<std::string>& allow) {
    fleet_ = std::make_unique<DrafterFleet>(
        PeerPoolOptions{.targets = *ParsePeerList("a:1,b:1,c:1"),
                        .table = {.refresh = absl::Hours(1)},
                        .on_ready =
                            [this](bool is) {
                              MutexLock lock(mutex_);
                              ready_ = is;
                              changed_.NotifyAll();
                            },
                        .run = [](const std::function<void()>& task) { task(); }},
        [allow](const std::string& address) -> absl::StatusOr<std::shared_ptr<DrafterClient>> {
          return std::make_shared<Drafter>(address, allow.contains(address));
        },
        SystemResolver(), clock_, /*per_tenant=*/1);
    fleet_->Start();
    MutexLock lock(mutex_);
    while (!ready_) changed_.Wait(mutex_);
  }

  doubles::FakeClock clock_;
  Mutex mutex_;
  CondVar changed_;
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<DrafterFleet> fleet_;
};

TEST_F(DrafterFleetTest, ARequestForTheSharedScopeGetsADrafterThatAllowsIt) {
  Make({"b:1"});
  std::set<std::string> own;
  for (int i = 0; i < 64; ++i) {
    const std::string tenant = std::to_string(i);
    EXPECT_EQ((*fleet_->Pick(tenant, MatrixScope::kShared))->address(), "b:1");
    own.insert((*fleet_->Pick(tenant, MatrixScope::kTenant))->address());
  }
  EXPECT_EQ(own.size(), 3u) << "other scopes are spread over all drafters";
}

TEST_F(DrafterFleetTest, IfNoDrafterAllowsTheSharedScopeTheGatewayRefusesIt) {
  Make({});
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(fleet_->Pick("acme", MatrixScope::kShared),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("SHARED")));
  }
  EXPECT_THAT(fleet_->Pick("acme", MatrixScope::kTenant), IsOk());
  EXPECT_EQ(fleet_->ejections(), 0u);
}

TEST_F(DrafterFleetTest, RefusedSessionsOfOneTenantDoNotEjectTheDrafter) {
  Make({});
  const std::string address = (*fleet_->Pick("acme", MatrixScope::kTenant))->address();
  for (int i = 0; i < 100; ++i) {
    fleet_->Report(address, absl::PermissionDeniedError("scope: got SHARED, which is not allowed"));
    fleet_->Report(address, absl::InvalidArgumentError("a malformed observation"));
  }
  EXPECT_EQ((*fleet_->Pick("acme", MatrixScope::kTenant))->address(), address);
  EXPECT_EQ(fleet_->ejections(), 0u);
}

TEST_F(DrafterFleetTest, ADrafterThatFailsEightTimesInARowIsEjected) {
  Make({});
  const std::string address = (*fleet_->Pick("acme", MatrixScope::kTenant))->address();
  for (int i = 0; i < 7; ++i) {
    EXPECT_TRUE(fleet_->Judge(address, absl::DeadlineExceededError("late")));
  }
  EXPECT_FALSE(fleet_->Judge(address, absl::DeadlineExceededError("late")));
  EXPECT_NE((*fleet_->Pick("acme", MatrixScope::kTenant))->address(), address);
  EXPECT_EQ(fleet_->ejections(), 1u);
}

}  // namespace
}  // namespace recycling::gateway
