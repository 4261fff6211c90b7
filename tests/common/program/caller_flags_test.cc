#include "common/program/caller_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/process.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;

class CallerFlagsTest : public testing::Test {
 protected:
  static void Set(const std::string& flag, const std::string& value) {
    std::string error;
    ASSERT_TRUE(absl::FindCommandLineFlag(flag)->ParseFrom(value, &error)) << error;
  }

  // The answer of a service that listens at `listen` to a caller without a key.
  static absl::Status Ask(const std::vector<std::string>& listen, Access access) {
    const auto callers = CallersFromFlags(listen);
    if (!callers.ok()) return callers.status();
    const grpc::ServerContext context;
    return (*callers)->Check(context, access).status();
  }

  const absl::FlagSaver saver_;
};

TEST_F(CallerFlagsTest, WithoutKeysAdminCallsAreAllowedOnlyOnALocalListener) {
  for (const std::vector<std::string>& here :
       {std::vector<std::string>{}, {"127.0.0.1:0", "unix:/run/s", "localhost:1", "[::1]:1"}}) {
    EXPECT_THAT(Ask(here, Access::kAdmin), IsOk());
  }
  for (const std::vector<std::string>& beyond : {std::vector<std::string>{"0.0.0.0:1"},
                                                 {":1"},
                                                 {"[::]:1"},
                                                 {"192.0.2.1:1"},
                                                 {"127.0.0.1:1", "0.0.0.0:1"},
                                                 {"unix:/run/s", "name.invalid:1"}}) {
    EXPECT_THAT(Ask(beyond, Access::kAdmin),
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("--api_keys")))
        << beyond.back();
    EXPECT_THAT(Ask(beyond, Access::kInference), IsOk());
    EXPECT_THAT(Ask(beyond, Access::kPeer), IsOk());
    EXPECT_THAT(Ask(beyond, Access::kAny), IsOk());
  }
  Set("allow_open_admin", "true");
  EXPECT_THAT(Ask({"0.0.0.0:1"}, Access::kAdmin), IsOk());
}

TEST_F(CallerFlagsTest, WithAKeyFileOnlyKeysDecide) {
  const doubles::TempDir folder;
  std::ofstream(folder / "keys") << *ApiKeyLine("ops", KeyRole::kAdmin, "boss") << "\n";
  Set("api_keys", folder / "keys");
  Set("allow_open_admin", "true");
  for (const char* listen : {"127.0.0.1:0", "0.0.0.0:0"}) {
    for (const Access access : {Access::kAny, Access::kInference, Access::kPeer, Access::kAdmin}) {
      EXPECT_THAT(Ask({listen}, access), StatusIs(absl::StatusCode::kUnauthenticated));
    }
  }
}

}  // namespace
}  // namespace recycling
