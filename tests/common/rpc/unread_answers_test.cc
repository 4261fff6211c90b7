// A server bounds the answers that it keeps for clients that do not read. Over real HTTP/2
// connections.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "common/rpc/health_client.h"
#include "common/rpc/rpc_server.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/common/rpc/raw_client.h"
#include "tests/doubles/fake_clock.h"

namespace recycling {
namespace {

using ::testing::HasSubstr;
using verifier::v1::GetTokenizerRequest;
using verifier::v1::GetTokenizerResponse;

constexpr std::size_t kAnswerBytes = 1 << 20;
constexpr absl::Duration kLong = absl::Seconds(30);
constexpr char kUnary[] = "/recycling.drafter.v1.DrafterService/GetMatrixInfo";
constexpr char kStream[] = "/recycling.verifier.v1.VerifierService/GetTokenizer";
constexpr char kReflection[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
constexpr char kWatch[] = "/grpc.health.v1.Health/Watch";

// A unary method in gRPC's synchronous API, and the same method in its callback API.
class WaitingUnary final : public drafter::v1::DrafterService::Service {
 public:
  grpc::Status GetMatrixInfo(grpc::ServerContext*, const drafter::v1::GetMatrixInfoRequest*,
                             drafter::v1::GetMatrixInfoResponse* response) override {
    response->set_drafter_id(std::string(kAnswerBytes, 'x'));
    return grpc::Status::OK;
  }
};

using ReactingBase = drafter::v1::DrafterService::WithCallbackMethod_GetMatrixInfo<
    drafter::v1::DrafterService::Service>;
class ReactingUnary final : public ReactingBase {
 public:
  grpc::ServerUnaryReactor* GetMatrixInfo(grpc::CallbackServerContext* context,
                                          const drafter::v1::GetMatrixInfoRequest*,
                                          drafter::v1::GetMatrixInfoResponse* response) override {
    response->set_drafter_id(std::string(kAnswerBytes, 'x'));
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

// Streams three messages.
class Streams final : public verifier::v1::VerifierService::Service {
 public:
  grpc::Status GetTokenizer(grpc::ServerContext*, const GetTokenizerRequest*,
                            grpc::ServerWriter<GetTokenizerResponse>* writer) override {
    GetTokenizerResponse response;
    response.set_chunk(std::string(kAnswerBytes, 'x'));
    for (int i = 0; i < 3; ++i) {
      if (!writer->Write(response)) break;
    }
    return grpc::Status::OK;
  }
};

class UnreadAnswersTest : public testing::Test {
 protected:
  void Serve(std::unique_ptr<grpc::Service> service, RpcServerOptions options) {
    service_ = std::move(service);
    options.listen = {"127.0.0.1:0"};
    options.clock = &clock_;
    auto server = RpcServer::Start(options, {service_.get()}, {});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  const std::string& address() const { return server_->addresses()[0]; }

  std::shared_ptr<grpc::Channel> Channel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments);
  }

  // Reads the counts until `wanted` returns true. If it never does, the test ends by its time
  // limit.
  void AwaitCounts(const std::function<bool(const CallCounts&)>& wanted) {
    while (!wanted(server_->call_counts())) {
    }
  }

  grpc::Status GetMatrixInfo() {
    grpc::ClientContext context;
    drafter::v1::GetMatrixInfoResponse response;
    const grpc::Status status =
        drafter::v1::DrafterService::NewStub(Channel())->GetMatrixInfo(&context, {}, &response);
    EXPECT_EQ(response.drafter_id().size(), status.ok() ? kAnswerBytes : 0);
    return status;
  }

  // A client with an HTTP/2 window of 0 calls `path` twenty times. The server keeps few answers and
  // refuses the other calls.
  void ExpectBoundedAnswers(const std::string& path) {
    constexpr std::uint64_t kBound = 5 * kAnswerBytes;
    RawClient client(address());
    client.SayHelloWithWindowZero();
    for (int i = 0; i < 20; ++i) client.Call(path, "");
    for (int refused = 0; refused < 16; ++refused) {
      const std::string trailers = client.WaitForTrailers();
      if (refused > 0) continue;  // HPACK may encode later trailers as references to the first ones
      EXPECT_THAT(trailers, HasSubstr("unread on this connection"));
      EXPECT_THAT(trailers, HasSubstr("grpc-status\1"
                                      "8"));
    }
    AwaitCounts([](const CallCounts& counts) { return counts.calls == 4; });
    EXPECT_GE(server_->call_counts().unread, 4 * kAnswerBytes);
    EXPECT_LE(server_->call_counts().unread, kBound);
    EXPECT_EQ(server_->call_counts().ended, 16u);
  }

  void ExpectNothingIsLeft() {
    AwaitCounts([](const CallCounts& counts) { return counts.calls == 0; });
    EXPECT_EQ(server_->call_counts().unread, 0u);
  }

  doubles::FakeClock clock_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<RpcServer> server_;
};

const RpcServerOptions kFiveAnswers = {.calls = {.max_unread_per_connection = 5 * kAnswerBytes}};

TEST_F(UnreadAnswersTest, AreBoundedForAUnaryMethodOfTheSynchronousApi) {
  Serve(std::make_unique<WaitingUnary>(), kFiveAnswers);
  ExpectBoundedAnswers(kUnary);
  EXPECT_TRUE(GetMatrixInfo().ok()) << "the server answers other clients meanwhile";
  ExpectNothingIsLeft();
}

TEST_F(UnreadAnswersTest, AreBoundedForAUnaryMethodOfTheCallbackApi) {
  Serve(std::make_unique<ReactingUnary>(), kFiveAnswers);
  ExpectBoundedAnswers(kUnary);
  EXPECT_TRUE(GetMatrixInfo().ok()) << "the server answers other clients meanwhile";
  ExpectNothingIsLeft();
}

TEST_F(UnreadAnswersTest, AreBoundedForStreams) {
  Serve(std::make_unique<Streams>(), kFiveAnswers);
  ExpectBoundedAnswers(kStream);
  ExpectNothingIsLeft();
}

TEST_F(UnreadAnswersTest, OfAllConnectionsAreBoundedAndTheConnectionWithMostLosesItsCalls) {
  Serve(std::make_unique<ReactingUnary>(), {.calls = {.max_unread = 4 * kAnswerBytes}});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(address()));
    clients.back()->SayHelloWithWindowZero();
  }
  const auto call = [&](std::size_t client, std::uint64_t unread) {
    clients[client]->Call(kUnary, "");
    AwaitCounts([&](const CallCounts& counts) { return counts.unread / kAnswerBytes == unread; });
  };
  call(0, 1);
  call(1, 2);
  call(1, 3);
  call(2, 2);  // client 1 loses both of its answers
  for (int i = 0; i < 2; ++i) clients[1]->WaitForTrailers();
  EXPECT_TRUE(GetMatrixInfo().ok());
  clients.clear();
  ExpectNothingIsLeft();
}

TEST_F(UnreadAnswersTest, CallsBeyondTheBoundOfTheServerAreRefused) {
  Serve(std::make_unique<ReactingUnary>(), {.calls = {.max_calls = 3}});
  RawClient client(address());
  client.SayHelloWithWindowZero();
  for (int i = 0; i < 3; ++i) client.Call(kUnary, "");
  AwaitCounts([](const CallCounts& counts) { return counts.calls == 3; });
  const grpc::Status status = GetMatrixInfo();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("one more than the 3"));
}

// A stream of the reflection service without a question, or a stream that watches the server's
// health.
class IdleStream {
 public:
  IdleStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& method)
      : stub_(channel), call_(stub_.PrepareCall(&context_, method, &queue_)) {
    call_->StartCall(this);
    Await();
    if (method != kWatch) return;
    const grpc::Slice empty;
    call_->WriteLast(grpc::ByteBuffer(&empty, 1), grpc::WriteOptions(), this);
    Await();  // fails if the stream has been refused already
  }
  ~IdleStream() {
    context_.TryCancel();
    if (!finished_) Finish();
  }

  // Waits until the server ends the stream.
  grpc::Status Finish() {
    grpc::ByteBuffer answer;
    do {
      call_->Read(&answer, this);
    } while (Await());
    grpc::Status status;
    call_->Finish(&status, this);
    EXPECT_TRUE(Await());
    finished_ = true;
    return status;
  }

 private:
  bool Await() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  grpc::GenericStub stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  bool finished_ = false;
};

class PublicStreamsTest : public UnreadAnswersTest,
                          public testing::WithParamInterface<const char*> {};

TEST_P(PublicStreamsTest, LeaveThreadsForOtherCallsWithAnyNumberOfStreams) {
  Serve(std::make_unique<WaitingUnary>(),
        {.max_threads = 12,
         .calls = {.max_public_streams = 6, .max_public_streams_per_connection = 4}});
  std::vector<std::unique_ptr<IdleStream>> streams;
  for (int connection = 0; connection < 3; ++connection) {
    const auto channel = Channel();
    for (int i = 0; i < 10; ++i) {
      streams.push_back(std::make_unique<IdleStream>(channel, GetParam()));
    }
    AwaitCounts([&](const CallCounts& counts) {
      return counts.public_streams + static_cast<int>(counts.ended) == 10 * (connection + 1);
    });
  }
  EXPECT_EQ(server_->call_counts().public_streams, 6);
  const grpc::Status refused = streams[9]->Finish();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("4 that one connection may have"));
  EXPECT_THAT(streams[19]->Finish().error_message(), HasSubstr("6 that this server serves"));
  EXPECT_TRUE(GetMatrixInfo().ok());
  EXPECT_TRUE(CheckHealth(Channel(), "", kLong).ok());
}

TEST_P(PublicStreamsTest, EndAtTheirTimeout) {
  Serve(std::make_unique<WaitingUnary>(), {});
  IdleStream stream(Channel(), GetParam());
  AwaitCounts([](const CallCounts& counts) { return counts.public_streams == 1; });
  clock_.Advance(CallLimits().public_stream_timeout);
  server_->EndDueCalls();
  const grpc::Status ended = stream.Finish();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(ended.error_message(), HasSubstr("open another"));
  ExpectNothingIsLeft();
}

INSTANTIATE_TEST_SUITE_P(Methods, PublicStreamsTest, testing::Values(kReflection, kWatch),
                         [](const auto& method) {
                           return method.param == std::string(kWatch) ? "HealthWatch"
                                                                      : "Reflection";
                         });

}  // namespace
}  // namespace recycling
