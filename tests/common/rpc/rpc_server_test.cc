#include "common/rpc/rpc_server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "common/rpc/health_client.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"

namespace recycling {
namespace {

using ::testing::ElementsAre;
using ::testing::ExitedWithCode;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

constexpr absl::Duration kLong = absl::Seconds(30);

// GetMatrixInfo answers at once; Observe runs until it is cancelled or released.
class Service : public drafter::v1::DrafterService::Service {
 public:
  grpc::Status GetMatrixInfo(grpc::ServerContext*, const drafter::v1::GetMatrixInfoRequest*,
                             drafter::v1::GetMatrixInfoResponse* response) override {
    response->set_drafter_id("probe");
    return grpc::Status::OK;
  }
  grpc::Status Observe(grpc::ServerContext* context, const drafter::v1::ObserveRequest*,
                       drafter::v1::ObserveResponse*) override {
    entered.set_value();
    while (!context->IsCancelled()) {
      if (release.wait_for(std::chrono::milliseconds(1)) == std::future_status::ready) {
        return grpc::Status::OK;
      }
    }
    return grpc::Status::CANCELLED;
  }

  std::promise<void> entered;
  std::promise<void> released;
  std::future<void> release = released.get_future();
};

class RpcServerTest : public testing::Test {
 protected:
  RpcServerTest() {
    std::string pattern = testing::TempDir() + "rpcXXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~RpcServerTest() override { std::filesystem::remove_all(folder_); }

  absl::StatusOr<std::unique_ptr<RpcServer>> Start(std::vector<std::string> listen,
                                                   const std::string& port_file = "") {
    RpcServerOptions options;
    options.listen = std::move(listen);
    options.port_file = port_file;
    return RpcServer::Start(options, {&service_}, {"probe"});
  }

  static std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
    return grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  }

  static std::string DrafterId(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    drafter::v1::GetMatrixInfoResponse response;
    const grpc::Status status = drafter::v1::DrafterService::NewStub(channel)->GetMatrixInfo(
        &context, drafter::v1::GetMatrixInfoRequest(), &response);
    return status.ok() ? response.drafter_id() : status.error_message();
  }

  static grpc::Status Observe(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    drafter::v1::ObserveResponse response;
    return drafter::v1::DrafterService::NewStub(channel)->Observe(
        &context, drafter::v1::ObserveRequest(), &response);
  }

  Service service_;
  std::string folder_;
};

void ExpectError(const absl::StatusOr<std::unique_ptr<RpcServer>>& server, absl::StatusCode code,
                 const std::string& message) {
  EXPECT_EQ(server.status().code(), code) << server.status();
  EXPECT_THAT(std::string(server.status().message()), HasSubstr(message));
}

TEST_F(RpcServerTest, AnswersOnlyHealthOnTheHealthPort) {
  RpcServerOptions options;
  options.listen = {"127.0.0.1:0"};
  options.health_listen = {"127.0.0.1:0"};
  const auto server = RpcServer::Start(options, {&service_}, {"probe"});
  ASSERT_TRUE(server.ok()) << server.status();
  ASSERT_EQ((*server)->addresses().size(), 2u);
  const auto channel = Connect((*server)->addresses()[1]);
  EXPECT_TRUE(CheckHealth(channel, "", kLong).value());
  EXPECT_FALSE(CheckHealth(channel, "probe", kLong).value());
  (*server)->SetServing(true);
  EXPECT_TRUE(CheckHealth(channel, "probe", kLong).value());
  EXPECT_EQ(DrafterId(Connect((*server)->addresses()[0])), "probe");
  EXPECT_NE(DrafterId(channel), "probe");
}

TEST_F(RpcServerTest, ServesEveryAddressAndWritesThePortFile) {
  const auto server = Start({"127.0.0.1:0", "unix:" + folder_ + "/s"}, folder_ + "/ports");
  ASSERT_TRUE(server.ok()) << server.status();
  const std::vector<std::string>& addresses = (*server)->addresses();
  EXPECT_THAT(addresses,
              ElementsAre(MatchesRegex("127.0.0.1:[1-9][0-9]*"), "unix:" + folder_ + "/s"));
  for (const std::string& address : addresses) EXPECT_EQ(DrafterId(Connect(address)), "probe");
  std::ostringstream written;
  written << std::ifstream(folder_ + "/ports").rdbuf();
  EXPECT_EQ(written.str(), addresses[0] + "\n" + addresses[1] + "\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
}

TEST_F(RpcServerTest, ServesInProcessWithoutAnAddress) {
  const auto server = Start({});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(DrafterId((*server)->InProcessChannel()), "probe");
}

// Watches the health of the service until it is destroyed. The call is open when the constructor
// returns.
class HealthWatch {
 public:
  explicit HealthWatch(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {
    call_ = stub_.PrepareCall(&context_, "/grpc.health.v1.Health/Watch", &queue_);
    call_->StartCall(nullptr);
    Wait();
    call_->WriteLast(grpc::ByteBuffer(nullptr, 0), grpc::WriteOptions(), nullptr);
    Wait();
    call_->Read(&answer_, nullptr);
    Wait();
  }
  ~HealthWatch() {
    context_.TryCancel();
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Wait();
  }

 private:
  void Wait() {
    void* tag = nullptr;
    bool ok = false;
    EXPECT_TRUE(queue_.Next(&tag, &ok) && ok);
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer answer_;
};

TEST_F(RpcServerTest, CountsCallsOfSocketsAndNoneInProcess) {
  const auto server = Start({"127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  const HealthWatch in_process((*server)->InProcessChannel());
  EXPECT_EQ((*server)->call_counts().calls, 0);
  EXPECT_EQ((*server)->call_counts().public_streams, 0);
  const HealthWatch over_a_socket(Connect((*server)->addresses()[0]));
  EXPECT_EQ((*server)->call_counts().calls, 1);
  EXPECT_EQ((*server)->call_counts().public_streams, 1);
}

TEST_F(RpcServerTest, HealthChangesWithSetServing) {
  const auto server = Start({"127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto channel = Connect((*server)->addresses()[0]);
  EXPECT_TRUE(CheckHealth(channel, "", kLong).value());
  EXPECT_FALSE(CheckHealth(channel, "probe", kLong).value());
  EXPECT_EQ(CheckHealth(channel, "other", kLong).status().code(), absl::StatusCode::kNotFound);
  (*server)->SetServing(true);
  EXPECT_TRUE(CheckHealth(channel, "probe", kLong).value());
  (*server)->SetServing(false);
  EXPECT_FALSE(CheckHealth(channel, "probe", kLong).value());
}

TEST_F(RpcServerTest, ReflectionListsServices) {
  const auto server = Start({});
  ASSERT_TRUE(server.ok()) << server.status();
  grpc::GenericStub stub((*server)->InProcessChannel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  void* tag;
  bool ok = false;
  const auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  // ServerReflectionRequest { string list_services = 7; } with an empty string.
  const grpc::Slice request(std::string("\x3a\x00", 2));
  call->WriteLast(grpc::ByteBuffer(&request, 1), grpc::WriteOptions(), nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  grpc::ByteBuffer response;
  call->Read(&response, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  grpc::Slice bytes;
  ASSERT_TRUE(response.DumpToSingleSlice(&bytes).ok());
  const std::string names(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  EXPECT_THAT(names, HasSubstr("recycling.drafter.v1.DrafterService"));
  EXPECT_THAT(names, HasSubstr("grpc.health.v1.Health"));
}

TEST_F(RpcServerTest, RefusesAddressesThatDoNotParse) {
  for (const char* address : {"", "localhost", "localhost:", "localhost:http", "[::1]:65536",
                              "localhost:-1", "::1:50051"}) {
    ExpectError(Start({address}), absl::StatusCode::kInvalidArgument, "expected host:port");
  }
  ExpectError(Start({"unix:"}), absl::StatusCode::kInvalidArgument, "1 to 107 bytes");
  ExpectError(Start({"unix:/" + std::string(108, 'a')}), absl::StatusCode::kInvalidArgument,
              "1 to 107 bytes");
}

TEST_F(RpcServerTest, RefusesAPortInUse) {
  const auto first = Start({"127.0.0.1:0"});
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string taken = (*first)->addresses()[0];
  ExpectError(Start({"127.0.0.1:0", taken}), absl::StatusCode::kUnavailable,
              "cannot bind " + taken);
  EXPECT_EQ(DrafterId(Connect(taken)), "probe");
}

TEST_F(RpcServerTest, RefusesASocketInUseAndReplacesAStaleOne) {
  const std::string path = folder_ + "/s";
  {
    const auto first = Start({"unix:" + path});
    ASSERT_TRUE(first.ok()) << first.status();
    ExpectError(Start({"unix:" + path}), absl::StatusCode::kUnavailable, "is in use");
    EXPECT_EQ(DrafterId(Connect("unix:" + path)), "probe");
  }
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  const int stale = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(stale, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  close(stale);
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto second = Start({"unix:" + path});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(DrafterId(Connect("unix:" + path)), "probe");
}

TEST_F(RpcServerTest, KeepsAFileThatIsNotASocket) {
  std::ofstream(folder_ + "/s") << "precious";
  ExpectError(Start({"unix:" + folder_ + "/s"}), absl::StatusCode::kUnavailable, "not a socket");
  EXPECT_EQ(std::filesystem::file_size(folder_ + "/s"), 8U);
}

TEST_F(RpcServerTest, RefusesAPortFileThatCannotBeWritten) {
  ExpectError(Start({"127.0.0.1:0"}, folder_ + "/absent/ports"), absl::StatusCode::kUnavailable,
              "port_file: cannot write");
}

TEST_F(RpcServerTest, ShutdownLetsARunningCallEnd) {
  auto server = Start({"127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  auto call = std::async(Observe, Connect((*server)->addresses()[0]));
  service_.entered.get_future().wait();
  std::thread stop([&] { (*server)->Shutdown(absl::Minutes(5)); });
  service_.released.set_value();
  stop.join();
  EXPECT_TRUE(call.get().ok());
  (*server)->Shutdown(absl::Minutes(5));
}

TEST_F(RpcServerTest, ShutdownCancelsACallWhenTheGraceIsOver) {
  auto server = Start({"127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  auto call = std::async(Observe, Connect((*server)->addresses()[0]));
  service_.entered.get_future().wait();
  (*server)->Shutdown(absl::Milliseconds(1));
  EXPECT_FALSE(call.get().ok());
}

TEST(StopSignalTest, WaitsForOneSignalAndASecondSignalEndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const int signal : {SIGINT, SIGTERM}) {
    const auto stop_once = [signal] {
      BlockStopSignals();
      kill(getpid(), signal);
      WaitForStopSignal();
    };
    EXPECT_EXIT((stop_once(), _exit(7)), ExitedWithCode(7), "");
    EXPECT_EXIT((stop_once(), kill(getpid(), signal), pause()), ExitedWithCode(130), "");
  }
}

}  // namespace
}  // namespace recycling
