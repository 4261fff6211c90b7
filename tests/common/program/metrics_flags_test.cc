#include "common/program/metrics_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"

namespace recycling {
namespace {

using ::testing::HasSubstr;

class MetricsFlagsTest : public testing::Test {
 protected:
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(
      const std::string& listen, const std::vector<std::string>& switches) {
    const absl::FlagSaver saver;
    Set("metrics_listen", listen);
    for (const std::string& name : switches) Set(name, "true");
    return StartMetrics("test", {});
  }

 private:
  static void Set(const std::string& flag, const std::string& value) {
    std::string error;
    ASSERT_TRUE(absl::FindCommandLineFlag(flag)->ParseFrom(value, &error)) << error;
  }
};

TEST_F(MetricsFlagsTest, ServesNoMetricsWithoutAnAddress) {
  const auto server = Start("", {});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(*server, nullptr);
}

TEST_F(MetricsFlagsTest, PlaintextBeyondLoopbackNeedsItsFlag) {
  EXPECT_TRUE(Start("127.0.0.1:0", {}).ok());
  for (const char* beyond : {":0", "0.0.0.0:0", "192.0.2.1:0"}) {
    const auto refused = Start(beyond, {});
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << beyond;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("--metrics_allow_plaintext"));
  }
  for (const char* flag : {"metrics_allow_plaintext", "allow_plaintext"}) {
    const auto server = Start(":0", {flag});
    EXPECT_TRUE(server.ok()) << flag << ": " << server.status();
  }
  EXPECT_EQ(Start("192.0.2.1:0", {"metrics_allow_plaintext"}).status().code(),
            absl::StatusCode::kUnavailable)
      << "the flag allows this address, but the machine does not have it";
}

}  // namespace
}  // namespace recycling
