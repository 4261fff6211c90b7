// The limits of a server's connections. Hostile clients send their own TCP bytes or HTTP/2 frames.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>

#include "common/net/tls_credentials.h"
#include "common/rpc/health_client.h"
#include "common/rpc/rpc_server.h"
#include "tests/common/rpc/raw_client.h"
#include "tests/doubles/certificates.h"
#include "tests/doubles/process.h"

namespace recycling {
namespace {

using ::testing::Contains;
using ::testing::Pair;

constexpr absl::Duration kLong = absl::Seconds(30);
constexpr int kMaxConcurrentStreams = 3;  // ids of HTTP/2 settings
constexpr int kMaxHeaderListSize = 6;
// Limits that close no connection.
ConnectionLimits Patient() {
  return {.handshake_timeout = absl::InfiniteDuration(),
          .max_idle = absl::InfiniteDuration(),
          .keepalive_time = absl::InfiniteDuration()};
}

class RpcLimitsTest : public testing::Test {
 protected:
  void Serve(const ConnectionLimits& limits,
             std::shared_ptr<grpc::ServerCredentials> credentials = nullptr) {
    auto server = RpcServer::Start(
        {.listen = {"127.0.0.1:0"}, .credentials = std::move(credentials), .limits = limits}, {},
        {});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  const std::string& address() const { return server_->addresses()[0]; }

  std::shared_ptr<grpc::Channel> Channel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments);
  }

  std::unique_ptr<RpcServer> server_;
};

TEST_F(RpcLimitsTest, ClosesAConnectionThatNeverSpeaksHttp2) {
  ConnectionLimits limits = Patient();
  limits.handshake_timeout = absl::Milliseconds(50);
  Serve(limits);
  RawClient silent(address());
  RawClient half(address());
  half.Send(kHello.substr(0, 20));
  silent.WaitForEnd();
  half.WaitForEnd();
  EXPECT_TRUE(CheckHealth(Channel(), "", kLong).ok());
}

TEST_F(RpcLimitsTest, ClosesAConnectionThatNeverFinishesTls) {
  const doubles::TempDir folder;
  doubles::CertificateAuthority authority("authority");
  const auto credentials = CreateServerCredentials(
      {.files = WriteTlsFiles(folder.path(), "server", authority.Issue("IP:127.0.0.1"),
                              authority.certificate())});
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  ConnectionLimits limits = Patient();
  limits.handshake_timeout = absl::Milliseconds(50);
  Serve(limits, *credentials);
  RawClient silent(address());
  RawClient half(address());
  half.Send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7));
  silent.WaitForEnd();
  half.WaitForEnd();
}

TEST_F(RpcLimitsTest, ClosesAConnectionWithoutCalls) {
  ConnectionLimits limits = Patient();
  limits.max_idle = absl::Milliseconds(50);
  Serve(limits);
  RawClient idle(address());
  idle.Send(kHello);
  idle.WaitForEnd();
}

TEST_F(RpcLimitsTest, DrainsAnOldConnection) {
  ConnectionLimits limits = Patient();
  limits.max_age = absl::Milliseconds(50);
  Serve(limits);
  RawClient old(address());
  old.Send(kHello);
  old.WaitForFrame(kGoAway);
}

TEST_F(RpcLimitsTest, ClosesAConnectionThatAnswersNoPing) {
  ConnectionLimits limits = Patient();
  limits.keepalive_time = absl::Milliseconds(50);
  limits.keepalive_timeout = absl::Milliseconds(50);
  Serve(limits);
  RawClient dead(address());
  dead.Send(kHello);
  dead.WaitForEnd();
}

TEST_F(RpcLimitsTest, SendsAPingAgainAfterEachAnswer) {
  ConnectionLimits limits = Patient();
  limits.keepalive_time = absl::Milliseconds(50);
  limits.keepalive_timeout = absl::Milliseconds(500);
  Serve(limits);
  RawClient client(address());
  client.Send(kHello);
  for (int i = 0; i < 3; ++i) client.AnswerPing();
  client.WaitForEnd();
}

TEST_F(RpcLimitsTest, SendsTheLimitsOfStreamsAndMetadataToClients) {
  Serve({.max_streams = 7});
  RawClient client(address());
  client.Send(kHello);
  const auto settings = client.ReadSettings();
  EXPECT_THAT(settings, Contains(Pair(kMaxConcurrentStreams, 7u)));
  EXPECT_THAT(settings, Contains(Pair(kMaxHeaderListSize, 16u << 10)));
}

TEST_F(RpcLimitsTest, ServesOtherClientsDuringAThousandIdleConnectionsInBoundedMemory) {
  constexpr int kIdle = 1000;
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 2 * kIdle + 100) GTEST_SKIP() << "the system gives too few descriptors";
  ConnectionLimits limits = Patient();
  limits.max_connections = kIdle + 1;
  Serve(limits);
  const auto resident_kib = [] {
    std::ifstream file("/proc/self/statm");
    std::int64_t size = 0;
    std::int64_t resident = 0;
    file >> size >> resident;
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
  };
  const std::int64_t before = resident_kib();
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < kIdle; ++i) {
    idle.push_back(std::make_unique<RawClient>(address()));
    idle.back()->Send(kHello);
    idle.back()->ReadSettings();
  }
  const std::int64_t grown = resident_kib() - before;
  std::cout << "a connection takes about " << grown / kIdle << " KiB\n";
  EXPECT_LT(grown, kIdle * 128);
  const auto channel = Channel();
  EXPECT_TRUE(CheckHealth(channel, "", kLong).ok());
  RawClient(address()).WaitForEnd();  // one too many
  EXPECT_TRUE(CheckHealth(channel, "", kLong).ok());
}

TEST_F(RpcLimitsTest, ServesOpenConnectionsWithoutFreeDescriptorsAndNewOnesLater) {
  Serve({});
  const auto channel = Channel();
  ASSERT_TRUE(CheckHealth(channel, "", kLong).ok());
  rlimit before = {};
  getrlimit(RLIMIT_NOFILE, &before);
  std::vector<std::unique_ptr<RawClient>> hostile;
  {
    // Client and server are one process, so they take the remaining descriptors in turn.
    const int lowest_free = dup(STDERR_FILENO);
    close(lowest_free);
    const rlimit few = {.rlim_cur = static_cast<rlim_t>(lowest_free) + 20,
                        .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    for (int socket; (socket = RawClient::NewSocket()) >= 0;) {
      hostile.push_back(std::make_unique<RawClient>(socket, address()));
    }
  }
  EXPECT_TRUE(CheckHealth(channel, "", kLong).ok());
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(CheckHealth(Channel(), "", kLong).ok());
}

}  // namespace
}  // namespace recycling
