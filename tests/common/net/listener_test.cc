#include "common/net/listener.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <future>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/doubles/process.h"

namespace recycling {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

// A connection to "127.0.0.1:port". The destructor closes it.
class Client {
 public:
  explicit Client(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_port = htons(
        static_cast<std::uint16_t>(std::atoi(address.substr(address.rfind(':') + 1).c_str())));
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Waits until the other side closes the connection or sends something.
  bool IsClosed() {
    char byte;
    return recv(fd_, &byte, 1, 0) <= 0;
  }

 private:
  const int fd_;
};

// While this object exists, the process cannot open another descriptor.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = dup(STDERR_FILENO);
    close(lowest_free);
    const rlimit none = {.rlim_cur = static_cast<rlim_t>(lowest_free),
                         .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoMoreDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_ = {};
};

class ListenerTest : public testing::Test {
 protected:
  ~ListenerTest() override {
    listener_.reset();
    for (const int fd : taken_) close(fd);
  }

  void Bind(const ListenerOptions& options) {
    auto listener = Listener::Bind(options);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
  }

  void Start() {
    listener_->Start([this](int, int connection) {
      MutexLock lock(mutex_);
      taken_.push_back(connection);
    });
  }

  std::size_t taken() {
    MutexLock lock(mutex_);
    return taken_.size();
  }

  // Closes the first accepted connection, as the server that owns it would.
  void CloseOne() {
    MutexLock lock(mutex_);
    close(taken_.front());
    taken_.erase(taken_.begin());
  }

  const std::string& address() const { return listener_->addresses().front(); }

  Mutex mutex_;
  std::vector<int> taken_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Listener> listener_;
};

TEST_F(ListenerTest, AcceptsConnectionsThatArrivedBeforeStart) {
  Bind({.addresses = {"127.0.0.1:0"}});
  EXPECT_THAT(address(), MatchesRegex("127.0.0.1:[1-9][0-9]*"));
  Client early(address());
  Start();
  Client late(address());
  EXPECT_TRUE(Eventually([&] { return taken() == 2; }));
  EXPECT_EQ(listener_->refused(), 0);
}

TEST_F(ListenerTest, ClosesConnectionsAboveTheBoundAndAcceptsOneForEachThatEnds) {
  Bind({.addresses = {"127.0.0.1:0"}, .max_connections = 2});
  Start();
  Client first(address());
  Client second(address());
  ASSERT_TRUE(Eventually([&] { return taken() == 2; }));
  EXPECT_TRUE(Client(address()).IsClosed());
  EXPECT_EQ(listener_->refused(), 1);
  CloseOne();
  EXPECT_TRUE(Eventually([&] {
    Client another(address());
    return taken() == 2;
  }));
  EXPECT_GE(listener_->refused(), 1);
}

TEST_F(ListenerTest, RefusesConnectionsWithoutDescriptorsAndRecovers) {
  Bind({.addresses = {"127.0.0.1:0"}});
  Client early(address());
  {
    Client a(address());
    Client b(address());
    const NoMoreDescriptors none;
    Start();
    EXPECT_TRUE(early.IsClosed());
    EXPECT_TRUE(a.IsClosed());
    EXPECT_TRUE(b.IsClosed());
    EXPECT_EQ(taken(), 0u);
  }
  Client late(address());
  EXPECT_TRUE(Eventually([&] { return taken() == 1; }));
  EXPECT_EQ(listener_->refused(), 3);
}

TEST_F(ListenerTest, RefusesOtherAddressesIfLoopbackOnly) {
  for (const char* address : {":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0"}) {
    const auto listener = Listener::Bind({.addresses = {address}, .loopback_only = true});
    EXPECT_EQ(listener.status().code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(listener.status().message()), HasSubstr("--allow_plaintext"));
  }
  const doubles::TempDir folder;
  Bind({.addresses = {"127.0.0.1:0", "127.8.9.10:0", "localhost:0", "unix:" + (folder / "s")},
        .loopback_only = true});
  EXPECT_EQ(listener_->addresses().size(), 4u);
}

TEST_F(ListenerTest, AWildcardAddressListensOnEveryInterface) {
  for (const char* address : {":0", "0.0.0.0:0", "[::]:0"}) {
    Bind({.addresses = {address}});
    const std::size_t before = taken();
    Start();
    Client client(this->address());
    EXPECT_TRUE(Eventually([&] { return taken() == before + 1; })) << address;
  }
}

TEST_F(ListenerTest, ErrorGivesTheReasonWhyItCannotBind) {
  Bind({.addresses = {"127.0.0.1:0"}});
  EXPECT_THAT(std::string(Listener::Bind({.addresses = {address()}}).status().message()),
              HasSubstr(absl::StrCat("cannot bind ", address(), ": Address already in use")));
  const absl::Status foreign = Listener::Bind({.addresses = {"192.0.2.1:0"}}).status();
  EXPECT_EQ(foreign.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(foreign.message()), HasSubstr("Cannot assign requested address"));
  EXPECT_THAT(std::string(Listener::Bind({.addresses = {"[]:0"}}).status().message()),
              HasSubstr("expected host:port"));
}

TEST_F(ListenerTest, ASocketFileIsForOwnerAndGroupAndStopRemovesIt) {
  const doubles::TempDir folder;
  const std::string path = folder / "s";
  const mode_t before = umask(0);
  Bind({.addresses = {"unix:" + path}});
  umask(before);
  EXPECT_EQ(static_cast<int>(std::filesystem::status(path).permissions()), 0770);
  listener_->Stop();
  EXPECT_FALSE(std::filesystem::exists(path));
  listener_->Stop();
}

TEST_F(ListenerTest, DoesNotRemoveTheSocketFileOfALaterListener) {
  const doubles::TempDir folder;
  const std::string path = folder / "s";
  Bind({.addresses = {"unix:" + path}});
  const auto first = std::move(listener_);
  std::filesystem::remove(path);
  Bind({.addresses = {"unix:" + path}});
  first->Stop();
  EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace recycling
