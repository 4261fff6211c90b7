// What a server bears from its connections: hostile ones speak TCP or HTTP/2 by hand.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>

#include "common/net/tls_credentials.h"
#include "common/rpc/health_client.h"
#include "common/rpc/rpc_server.h"
#include "tests/doubles/certificates.h"
#include "tests/doubles/process.h"

namespace recycling {
namespace {

using ::testing::Contains;
using ::testing::Pair;

constexpr absl::Duration kLong = absl::Seconds(30);
constexpr int kMaxConcurrentStreams = 3;  // ids of SETTINGS
constexpr int kMaxHeaderListSize = 6;
constexpr int kPing = 6;  // types of frames
constexpr int kGoAway = 7;
constexpr char kAck = 1;  // a flag of a frame

// What an HTTP/2 client says first: the preface and empty settings.
const std::string kHello("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);

class RawClient {
 public:
  explicit RawClient(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_port = htons(
        static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience = {.tv_sec = 60, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  }
  ~RawClient() { close(fd_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void Send(const std::string& bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  // Waits until the server has closed the connection; what it said before is lost.
  void WaitForEnd() {
    char bytes[4096];
    ssize_t count = 1;
    while (count > 0) count = recv(fd_, bytes, sizeof(bytes), 0);
    EXPECT_TRUE(count == 0 || errno == ECONNRESET) << "still open after a minute";
  }

  // Reads frames until one of `type` comes.
  void WaitForFrame(int type) {
    std::string head(9, '\0');
    do {
      head = Read(9);
      Read(Number(head.substr(0, 3)));
    } while (head[3] != type && !testing::Test::HasFailure());
    EXPECT_EQ(head[3], type);
  }

  // Answers the next ping, whatever comes before it.
  void AnswerPing() {
    std::string head;
    std::string body;
    do {
      head = Read(9);
      body = Read(Number(head.substr(0, 3)));
    } while (head[3] != kPing && !testing::Test::HasFailure());
    head[4] = kAck;
    Send(head + body);
  }

  // The settings in the first frame of the server.
  std::map<int, std::uint32_t> ReadSettings() {
    const std::string head = Read(9);
    const std::string body = Read(Number(head.substr(0, 3)));
    std::map<int, std::uint32_t> settings;
    for (std::size_t i = 0; i + 6 <= body.size(); i += 6) {
      settings[static_cast<int>(Number(body.substr(i, 2)))] = Number(body.substr(i + 2, 4));
    }
    return settings;
  }

 private:
  std::string Read(std::size_t count) {
    std::string bytes(count, '\0');
    EXPECT_EQ(recv(fd_, bytes.data(), count, MSG_WAITALL), static_cast<ssize_t>(count));
    return bytes;
  }

  static std::uint32_t Number(const std::string& bytes) {
    std::uint32_t number = 0;
    for (const char byte : bytes) number = number << 8 | static_cast<std::uint8_t>(byte);
    return number;
  }

  const int fd_;
};

// Closes nothing.
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

TEST_F(RpcLimitsTest, ClosesAConnectionThatGivesNoSignOfLife) {
  ConnectionLimits limits = Patient();
  limits.keepalive_time = absl::Milliseconds(50);
  limits.keepalive_timeout = absl::Milliseconds(50);
  Serve(limits);
  RawClient dead(address());
  dead.Send(kHello);
  dead.WaitForEnd();
}

TEST_F(RpcLimitsTest, GoesOnAskingForSignsOfLife) {
  ConnectionLimits limits = Patient();
  limits.keepalive_time = absl::Milliseconds(50);
  limits.keepalive_timeout = absl::Milliseconds(500);
  Serve(limits);
  RawClient client(address());
  client.Send(kHello);
  for (int i = 0; i < 3; ++i) client.AnswerPing();
  client.WaitForEnd();
}

TEST_F(RpcLimitsTest, TellsClientsHowManyStreamsAndHowMuchMetadataItTakes) {
  Serve({.max_streams = 7});
  RawClient client(address());
  client.Send(kHello);
  const auto settings = client.ReadSettings();
  EXPECT_THAT(settings, Contains(Pair(kMaxConcurrentStreams, 7u)));
  EXPECT_THAT(settings, Contains(Pair(kMaxHeaderListSize, 16u << 10)));
}

TEST_F(RpcLimitsTest, ServesOthersBesideAThousandIdleConnectionsInBoundedMemory) {
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

TEST_F(RpcLimitsTest, ServesRunningConnectionsWithoutDescriptorsAndNewOnesAfterwards) {
  Serve({});
  const auto channel = Channel();
  ASSERT_TRUE(CheckHealth(channel, "", kLong).ok());
  rlimit before = {};
  getrlimit(RLIMIT_NOFILE, &before);
  std::vector<std::unique_ptr<RawClient>> hostile;
  {
    // Of the next descriptors every other one is the client's, every other one the server's.
    const int lowest_free = dup(STDERR_FILENO);
    close(lowest_free);
    const rlimit few = {.rlim_cur = static_cast<rlim_t>(lowest_free) + 20,
                        .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    while (true) {
      const int probe = dup(STDERR_FILENO);
      if (probe < 0) break;
      close(probe);
      hostile.push_back(std::make_unique<RawClient>(address()));
    }
  }
  EXPECT_TRUE(CheckHealth(channel, "", kLong).ok());
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(CheckHealth(Channel(), "", kLong).ok());
}

}  // namespace
}  // namespace recycling
