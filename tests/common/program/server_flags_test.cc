#include "common/program/server_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "tests/doubles/certificates.h"
#include "tests/doubles/process.h"

namespace recycling {
namespace {

using ::testing::ExitedWithCode;
using ::testing::HasSubstr;

class ServerFlagsTest : public testing::Test {
 protected:
  static void Set(const std::string& flag, const std::string& value) {
    std::string error;
    ASSERT_TRUE(absl::FindCommandLineFlag(flag)->ParseFrom(value, &error)) << error;
  }

  static void ExpectRefused(const std::string& said) {
    const auto options = ServerOptionsFromFlags();
    EXPECT_EQ(options.status().code(), absl::StatusCode::kInvalidArgument) << said;
    EXPECT_THAT(std::string(options.status().message()), HasSubstr(said));
  }

  const absl::FlagSaver saver_;
};

TEST_F(ServerFlagsTest, PlaintextBeyondThisMachineNeedsTheFlag) {
  const auto options = ServerOptionsFromFlags();
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->credentials, nullptr);
  EXPECT_FALSE(options->allow_plaintext);
  Set("allow_plaintext", "true");
  EXPECT_TRUE(ServerOptionsFromFlags()->allow_plaintext);
}

TEST_F(ServerFlagsTest, MakesCredentialsFromTheFiles) {
  const doubles::TempDir folder;
  doubles::CertificateAuthority authority("authority");
  const TlsFiles files = WriteTlsFiles(folder.path(), "server", authority.Issue("DNS:server"),
                                       authority.certificate());
  Set("tls_ca", files.ca);
  ExpectRefused("without --tls_cert and --tls_key");
  Set("tls_cert", files.certificate);
  ExpectRefused("without --tls_cert and --tls_key");
  Set("tls_key", folder / "absent");
  ExpectRefused(folder / "absent");
  Set("tls_key", files.key);
  const auto options = ServerOptionsFromFlags();
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_NE(options->credentials, nullptr);
}

TEST_F(ServerFlagsTest, NamesTheFlagThatIsOutOfRange) {
  const std::pair<const char*, const char*> wrong[] = {{"max_connections", "0"},
                                                       {"max_connections", "1000001"},
                                                       {"max_connection_memory_mib", "15"},
                                                       {"max_connection_age", "999ms"},
                                                       {"max_connection_age", "-inf"}};
  for (const auto& [flag, value] : wrong) {
    const absl::FlagSaver saver;
    Set(flag, value);
    ExpectRefused("--" + std::string(flag) + ": got ");
  }
}

// Sets the limit of descriptors and exits with the allowed number of connections. Call it in a
// child process (EXPECT_EXIT).
void ExitWithConnections(rlim_t soft, rlim_t hard, int servers) {
  const rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
  setrlimit(RLIMIT_NOFILE, &limit);
  const auto options = ServerOptionsFromFlags(servers);
  std::fprintf(stderr, "%s\n", options.status().ToString().c_str());
  std::exit(options.ok() ? options->limits.max_connections : 255);
}

TEST_F(ServerFlagsTest, RaisesTheLimitOfDescriptorsAndKeepsConnectionsWithinIt) {
  Set("max_connections", "100");
  EXPECT_EXIT(ExitWithConnections(100, 1000, 1), ExitedWithCode(100), "OK");
  EXPECT_EXIT(ExitWithConnections(100, 300, 1), ExitedWithCode(44), "fewer connections");
  EXPECT_EXIT(ExitWithConnections(100, 300, 2), ExitedWithCode(22), "fewer connections");
  EXPECT_EXIT(ExitWithConnections(100, 256, 1), ExitedWithCode(255),
              "RESOURCE_EXHAUSTED: file descriptors: got a limit of 256, expected at least 257");
}

}  // namespace
}  // namespace recycling
