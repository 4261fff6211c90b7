#include "tests/fault/fault_proxy.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/fault/fleet.h"

namespace recycling::fault {
namespace {

constexpr absl::Duration kLong = absl::Minutes(1);
constexpr int kLongMs = 60'000;

sockaddr_in Name(int port) {
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port = htons(static_cast<std::uint16_t>(port));
  return name;
}

// A blocking socket.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }

  static Socket To(const std::string& address) {
    int port = 0;
    EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
    Socket made(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in name = Name(port);
    EXPECT_EQ(connect(made.fd_, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
    return made;
  }

  void Say(const std::string& bytes) const {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  // Receives `size` bytes. Returns "end" at the end of the stream, "reset" after a reset, and
  // "nothing" if nothing arrives in time.
  std::string Hear(std::size_t size) const {
    std::string bytes(size, '\0');
    pollfd readable = {fd_, POLLIN, 0};
    if (poll(&readable, 1, kLongMs) != 1) return "nothing";
    const ssize_t got = recv(fd_, bytes.data(), size, MSG_WAITALL);
    if (got < 0) return errno == ECONNRESET ? "reset" : "error";
    if (got == 0) return "end";
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
  }

  // Whether a read or an accept would not block now.
  bool HasNews() const {
    pollfd readable = {fd_, POLLIN, 0};
    return poll(&readable, 1, 0) == 1;
  }

  int fd() const { return fd_; }

 private:
  int fd_;
};

// The server behind the proxy.
class Target {
 public:
  Target() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name = Name(0);
    socklen_t size = sizeof(name);
    auto* bare = reinterpret_cast<sockaddr*>(&name);
    EXPECT_EQ(bind(listener_.fd(), bare, size), 0);
    EXPECT_EQ(listen(listener_.fd(), 8), 0);
    EXPECT_EQ(getsockname(listener_.fd(), bare, &size), 0);
    address_ = absl::StrCat("127.0.0.1:", ntohs(name.sin_port));
  }

  Socket Accept() const { return Socket(accept(listener_.fd(), nullptr, nullptr)); }
  bool HasCaller() const { return listener_.HasNews(); }
  const std::string& address() const { return address_; }

 private:
  Socket listener_;
  std::string address_;
};

class FaultProxyTest : public testing::Test {
 protected:
  FaultProxyTest() : proxy_(*FaultProxy::Start()) { proxy_->SetTarget(target_.address()); }

  void AwaitConnections(int count) {
    EXPECT_TRUE(Eventually(kLong, [&] { return proxy_->connections() == count; }));
  }

  Target target_;
  std::unique_ptr<FaultProxy> proxy_;
};

TEST_F(FaultProxyTest, ForwardsBytesAndTheEndOfStreamInBothDirections) {
  const Socket client = Socket::To(proxy_->address());
  const Socket server = target_.Accept();
  client.Say("ping");
  EXPECT_EQ(server.Hear(4), "ping");
  const std::string much(1 << 20, 'x');
  server.Say(much);
  EXPECT_EQ(client.Hear(much.size()), much);
  shutdown(client.fd(), SHUT_WR);
  EXPECT_EQ(server.Hear(1), "end");
  server.Say("last");
  EXPECT_EQ(client.Hear(4), "last") << "the other direction must stay open";
  shutdown(server.fd(), SHUT_WR);
  EXPECT_EQ(client.Hear(1), "end");
  AwaitConnections(0);
}

TEST_F(FaultProxyTest, ResetsBothSides) {
  const Socket client = Socket::To(proxy_->address());
  const Socket server = target_.Accept();
  proxy_->ResetAll();
  EXPECT_EQ(client.Hear(1), "reset");
  EXPECT_EQ(server.Hear(1), "reset");
  const Socket again = Socket::To(proxy_->address());
  target_.Accept().Say("back");
  EXPECT_EQ(again.Hear(4), "back") << "the proxy must forward new connections";
}

TEST_F(FaultProxyTest, SilenceHoldsBytesAndNewConnectionsUntilItEnds) {
  const Socket client = Socket::To(proxy_->address());
  const Socket server = target_.Accept();
  proxy_->SetMode(FaultProxy::Mode::kSilent);
  client.Say("held");
  const Socket late = Socket::To(proxy_->address());
  EXPECT_FALSE(target_.HasCaller());
  EXPECT_FALSE(server.HasNews());
  proxy_->SetMode(FaultProxy::Mode::kForward);
  EXPECT_EQ(server.Hear(4), "held");
  target_.Accept().Say("late");
  EXPECT_EQ(late.Hear(4), "late");
}

TEST_F(FaultProxyTest, RefuseResetsOldAndNewConnections) {
  const Socket client = Socket::To(proxy_->address());
  const Socket server = target_.Accept();
  proxy_->SetMode(FaultProxy::Mode::kRefuse);
  EXPECT_EQ(client.Hear(1), "reset");
  EXPECT_EQ(server.Hear(1), "reset");
  const Socket refused = Socket::To(proxy_->address());
  EXPECT_EQ(refused.Hear(1), "reset");
  EXPECT_FALSE(target_.HasCaller());
  proxy_->SetMode(FaultProxy::Mode::kForward);
  const Socket again = Socket::To(proxy_->address());
  target_.Accept().Say("back");
  EXPECT_EQ(again.Hear(4), "back");
}

TEST_F(FaultProxyTest, HalfCloseEndsOnlyTheDirectionFromTheClient) {
  const Socket client = Socket::To(proxy_->address());
  const Socket server = target_.Accept();
  client.Say("word");
  EXPECT_EQ(server.Hear(4), "word");
  proxy_->HalfCloseAll();
  EXPECT_EQ(server.Hear(1), "end");
  server.Say("more");
  EXPECT_EQ(client.Hear(4), "more");
}

TEST_F(FaultProxyTest, DelayedBytesKeepTheirOrder) {
  constexpr absl::Duration kDelay = absl::Milliseconds(20);
  const Socket client = Socket::To(proxy_->address());
  const Socket server = target_.Accept();
  proxy_->SetDelay(kDelay);
  const absl::Time begin = absl::Now();
  server.Say("one");
  server.Say("two");
  EXPECT_EQ(client.Hear(6), "onetwo");
  EXPECT_GE(absl::Now() - begin, kDelay);
}

TEST_F(FaultProxyTest, ForwardsNewConnectionsToANewTarget) {
  const Target other;
  proxy_->SetTarget(other.address());
  const Socket client = Socket::To(proxy_->address());
  other.Accept().Say("here");
  EXPECT_EQ(client.Hear(4), "here");
  EXPECT_FALSE(target_.HasCaller());
}

}  // namespace
}  // namespace recycling::fault
