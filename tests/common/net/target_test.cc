#include "common/net/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling {
namespace {

using ::testing::HasSubstr;

TEST(TargetTest, LoopbackAndUnixSocketsStayOnThisMachine) {
  for (const char* address : {"unix:/run/s", "unix:s", "localhost:1", "LocalHost:1", "127.0.0.1:1",
                              "127.255.0.3:65535", "[::1]:1", "[0:0:0:0:0:0:0:1]:1"}) {
    EXPECT_TRUE(StaysOnThisMachine(address)) << address;
  }
}

TEST(TargetTest, OtherAddressesDoNotStayOnThisMachine) {
  for (const char* address :
       {"", ":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1", "gateway:1",
        "localhost.example.com:1", "127.0.0.1.example.com:1", "127.1:1", "[::2]:1",
        "[::ffff:10.0.0.1]:1", "::1:1", "dns:///localhost:1", "unix-abstract:s"}) {
    EXPECT_FALSE(StaysOnThisMachine(address)) << address;
  }
}

TEST(TargetTest, AcceptsAddressesThatCanBeConnectedTo) {
  for (const char* address : {"localhost:1", "10.0.0.1:65535", "[::1]:50050", "a-b.c_d:80",
                              "unix:/run/s", "unix:relative"}) {
    EXPECT_TRUE(CheckTarget("--gateway", address).ok()) << address;
  }
}

TEST(TargetTest, RefusesOtherAddressesAndNamesThem) {
  for (const char* address :
       {"", "localhost", "localhost:", ":50050", "localhost:0", "localhost:65536", "localhost:http",
        "::1:50050", "[::1:50050", "[]:1", "[localhost]:1", "http://localhost:1", "dns:///a:1",
        "a b:1", "a%00:1", "unix:", "host:-1"}) {
    const absl::Status status = CheckTarget("--gateway", address);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("--gateway: got \"" + std::string(address)));
  }
}

TEST(TargetTest, PlaintextBeyondThisMachineNeedsTheFlag) {
  EXPECT_TRUE(CheckPlaintext("x", "127.0.0.1:1", false, "--t").ok());
  EXPECT_TRUE(CheckPlaintext("x", "gateway:1", true, "--t").ok());
  const absl::Status status = CheckPlaintext("--gateway", "gateway:1", false, "--tls_ca");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("--gateway: got gateway:1 in plaintext, expected TLS (--tls_ca)"));
}

}  // namespace
}  // namespace recycling
