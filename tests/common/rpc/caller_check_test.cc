#include "common/rpc/caller_check.h"

#include <gmock/gmock.h>
#include <grpcpp/test/server_context_test_spouse.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"

namespace recycling {
namespace {

using doubles::FakeClock;
using doubles::StatusIs;
using ::testing::HasSubstr;

class CallerCheckTest : public ::testing::Test {
 protected:
  ~CallerCheckTest() override { std::remove(path_.c_str()); }

  static absl::StatusOr<Caller> Check(const CallerCheck& callers,
                                      const std::vector<std::string>& values, Access access) {
    grpc::ServerContext context;
    grpc::testing::ServerContextTestSpouse spouse(&context);
    for (const std::string& value : values) spouse.AddClientMetadata("authorization", value);
    return callers.Check(context, access);
  }

  static std::string WriteKeys() {
    const std::string path = absl::StrCat(::testing::TempDir(), "/callers.", getpid());
    std::ofstream(path) << *ApiKeyLine("acme", KeyRole::kInference, "user") << " rate=3\n"
                        << *ApiKeyLine("gateways", KeyRole::kPeer, "gateway") << "\n"
                        << *ApiKeyLine("ops", KeyRole::kAdmin, "boss") << "\n";
    return path;
  }

  const std::string path_ = WriteKeys();
  FakeClock clock_;
  const CallerCheck callers_{*ApiKeyFile::Open(path_, clock_)};
};

TEST_F(CallerCheckTest, ReturnsTheTenantOfAKeyAndItsLimits) {
  for (const char* value : {"Bearer user", "bearer user", "BEARER user"}) {
    const auto caller = Check(callers_, {value}, Access::kInference);
    ASSERT_TRUE(caller.ok()) << caller.status();
    EXPECT_EQ(caller->tenant, "acme");
    EXPECT_TRUE(caller->limited);
    EXPECT_EQ(caller->limits.rate, 3);
  }
  EXPECT_EQ(Check(callers_, {"Bearer boss"}, Access::kAdmin)->tenant, "ops");
  EXPECT_EQ(Check(callers_, {"Bearer boss"}, Access::kAny)->tenant, "ops");
}

TEST_F(CallerCheckTest, ACallerWithoutAKnownKeyIsUnauthenticated) {
  const std::vector<std::vector<std::string>> cases = {{},
                                                       {""},
                                                       {"user"},
                                                       {"Basic user"},
                                                       {"Bearer "},
                                                       {"Bearer nobody"},
                                                       {"Bearer  user"},
                                                       {"Bearer user", "Bearer user"},
                                                       {"Bearer use"}};
  for (const auto& values : cases) {
    for (const Access access : {Access::kAny, Access::kInference, Access::kPeer, Access::kAdmin}) {
      EXPECT_THAT(Check(callers_, values, access),
                  StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("authorization")));
    }
  }
}

TEST_F(CallerCheckTest, NoRoleIncludesAnotherOne) {
  const std::pair<std::string, Access> roles[] = {
      {"user", Access::kInference}, {"gateway", Access::kPeer}, {"boss", Access::kAdmin}};
  for (const auto& [key, own] : roles) {
    for (const auto& [other_key, access] : roles) {
      const auto caller = Check(callers_, {"Bearer " + key}, access);
      if (access == own) {
        EXPECT_TRUE(caller.ok()) << caller.status();
      } else {
        EXPECT_THAT(caller,
                    StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("got one of role")))
            << key << " as " << other_key;
      }
    }
    EXPECT_TRUE(Check(callers_, {"Bearer " + key}, Access::kAny).ok());
  }
}

TEST_F(CallerCheckTest, WithoutKeysAdminCallsCanBeRefused) {
  const CallerCheck closed(WithoutKeys::kAllButAdmin);
  for (const char* value : {"Bearer boss", "Bearer "}) {
    const auto refused = Check(closed, {value}, Access::kAdmin);
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("--api_keys")));
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("--allow_open_admin"));
  }
  EXPECT_EQ(Check(closed, {}, Access::kInference)->tenant, "default");
  EXPECT_EQ(Check(closed, {}, Access::kAny)->tenant, "default");
}

TEST_F(CallerCheckTest, WithoutKeysEveryCallerIsTheDefaultTenant) {
  const CallerCheck open;
  EXPECT_EQ(Check(open, {}, Access::kAdmin)->tenant, "default");
  EXPECT_EQ(Check(open, {"Bearer user"}, Access::kInference)->tenant, "default");
}

}  // namespace
}  // namespace recycling
