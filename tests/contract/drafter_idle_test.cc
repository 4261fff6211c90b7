// A drafter ends the streams of clients that send nothing. Over real gRPC, with a fake clock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "drafter/service/drafter_service.h"
#include "drafter/store/snapshot.h"
#include "tests/contract/drafter_service_fixture.h"
#include "tests/doubles/fake_clock.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kTimeout = absl::Minutes(5);

class DrafterIdleTest : public ::testing::Test {
 protected:
  DrafterIdleTest() {
    auto server = RpcServer::Start({.listen = {"127.0.0.1:0"}}, {&service_}, {kDrafterServiceName});
    EXPECT_THAT(server, IsOk());
    server_ = *std::move(server);
    stub_ = v1::DrafterService::NewStub(
        grpc::CreateChannel(server_->addresses()[0], grpc::InsecureChannelCredentials()));
  }

  void LetPass(absl::Duration duration) {
    clock_.Advance(duration);
    service_.EndIdleStreams();
  }

  doubles::FakeClock clock_;
  MatrixStore store_{{}};
  GrpcDrafterService service_{"d1",  TreeTemplate::Paper80(), &store_, nullptr, nullptr, kTimeout,
                              clock_};
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::DrafterService::Stub> stub_;
};

TEST_F(DrafterIdleTest, ADraftStreamWhoseClientIsSilentIsCancelledAndFreesItsMatrix) {
  Stream stream(stub_.get(), Session(common::v1::MATRIX_SCOPE_REQUEST));
  const v1::Proposal ask = Ask(1);
  for (std::uint64_t step = 0; step < 3; ++step) {
    stream.Send(step, nullptr, &ask);
    EXPECT_EQ(stream.Read().step(), step) << "each message restarts the idle time";
    LetPass(kTimeout - absl::Seconds(1));
  }
  EXPECT_GT(store_.bytes(), 0u);
  LetPass(absl::Seconds(1));
  EXPECT_THAT(stream.Finish(), StatusIs(absl::StatusCode::kCancelled));
  // The client may see the end before the server has freed the matrix.
  while (store_.bytes() > 0) std::this_thread::yield();
  Stream another(stub_.get(), Session());
  another.Send(0, nullptr, &ask);
  EXPECT_EQ(another.Read().step(), 0u);
  EXPECT_THAT(another.Finish(), IsOk());
}

TEST_F(DrafterIdleTest, ALoadMatrixWhoseClientIsSilentIsCancelledAndLoadsNothing) {
  ModelIdentity model{.model_id = "m", .vocab_size = kVocab, .tokenizer_digest = {}};
  model.tokenizer_digest = std::string(32, 'd');
  grpc::ClientContext context;
  v1::LoadMatrixResponse response;
  const auto stream = stub_->LoadMatrix(&context, &response);
  v1::LoadMatrixRequest part;
  part.mutable_target()->set_scope(common::v1::MATRIX_SCOPE_TENANT);
  part.mutable_target()->set_tenant("a");
  ASSERT_TRUE(stream->Write(part));
  // A whole snapshot, but the client does not half-close the stream.
  part.set_chunk(EncodeSnapshot(model, ScopeMemory(kVocab, kK)));
  ASSERT_TRUE(stream->Write(part));
  // The server may read the messages late, and each message restarts the idle time. So the clock
  // advances until the call has ended.
  std::jthread clock([this](std::stop_token stop) {
    while (!stop.stop_requested()) LetPass(kTimeout);
  });
  EXPECT_THAT(FromGrpcStatus(stream->Finish()), StatusIs(absl::StatusCode::kCancelled));
  clock.request_stop();
  clock.join();
  EXPECT_THAT(store_.List(), IsEmpty());
}

}  // namespace
}  // namespace recycling::drafter
