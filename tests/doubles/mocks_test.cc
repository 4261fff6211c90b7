#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/doubles/matchers.h"
#include "tests/doubles/mock_drafter_client.h"
#include "tests/doubles/mock_stubs.h"
#include "tests/doubles/mock_verifier_client.h"

namespace recycling::doubles {
namespace {

using ::testing::_;
using ::testing::ByMove;
using ::testing::DoAll;
using ::testing::Field;
using ::testing::Return;
using ::testing::SetArgPointee;

TEST(MockVerifierClientTest, AnswersAStepAsTheTestExpects) {
  auto session = std::make_unique<MockVerifierSession>();
  gateway::StepVerified verified;
  verified.tokens = {7};
  EXPECT_CALL(*session, Open(_)).WillOnce(Return(gateway::SequenceOpened{.base = 1}));
  EXPECT_CALL(*session, Verify(Field(&gateway::VerifyStep::base, 1))).WillOnce(Return(verified));
  EXPECT_CALL(*session, Cancel());
  MockVerifierClient client;
  EXPECT_CALL(client, NewSession(absl::InfiniteFuture(), _))
      .WillOnce(Return(ByMove(std::move(session))));

  const auto made = client.NewSession(absl::InfiniteFuture(), {});
  EXPECT_THAT(made->Open({.prompt_ids = {3}}), IsOk());
  EXPECT_EQ(made->Verify({.step = 0, .base = 1})->tokens, verified.tokens);
  made->Cancel();
}

TEST(MockDrafterClientTest, AnswersWithALateDraftAsTheTestExpects) {
  auto session = std::make_unique<MockDrafterSession>();
  EXPECT_CALL(*session, Send(Field(&gateway::DraftStep::step, 4)));
  EXPECT_CALL(*session, Receive(4, absl::Milliseconds(5)))
      .WillOnce(Return(absl::DeadlineExceededError("late")));
  MockDrafterClient client;
  EXPECT_CALL(client, NewSession(Field(&gateway::OpenDrafting::tenant, "default"), _, _))
      .WillOnce(Return(ByMove(std::move(session))));

  const auto made = client.NewSession({.tenant = "default"}, absl::InfiniteFuture(), {});
  made->Send({.step = 4});
  EXPECT_THAT(made->Receive(4, absl::Milliseconds(5)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(MockStubsTest, VerifierStubAnswersAndStreams) {
  verifier::v1::MockVerifierServiceStub stub;
  verifier::v1::HandshakeResponse canned;
  canned.set_k(8);
  EXPECT_CALL(stub, Handshake(_, _, _))
      .WillOnce(DoAll(SetArgPointee<2>(canned), Return(grpc::Status::OK)));
  using Stream = grpc::testing::MockClientReaderWriter<verifier::v1::DecodeRequest,
                                                       verifier::v1::DecodeResponse>;
  auto* stream = new Stream;  // the code under test owns it, as with a real stub
  EXPECT_CALL(*stream, Write(_, _)).WillOnce(Return(false));
  EXPECT_CALL(stub, DecodeRaw(_)).WillOnce(Return(stream));

  verifier::v1::VerifierService::StubInterface& interface = stub;
  grpc::ClientContext handshake_context;
  verifier::v1::HandshakeResponse response;
  EXPECT_TRUE(interface.Handshake(&handshake_context, {}, &response).ok());
  EXPECT_EQ(response.k(), 8u);
  grpc::ClientContext context;
  EXPECT_FALSE(interface.Decode(&context)->Write({}));
}

TEST(MockStubsTest, DrafterAndGatewayStubsAnswer) {
  drafter::v1::MockDrafterServiceStub drafter_stub;
  EXPECT_CALL(drafter_stub, Handshake(_, _, _))
      .WillOnce(Return(grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "other model")));
  gateway::v1::MockGatewayServiceStub gateway_stub;
  EXPECT_CALL(gateway_stub, GetModel(_, _, _)).WillOnce(Return(grpc::Status::OK));

  grpc::ClientContext drafter_context;
  drafter::v1::HandshakeResponse handshake;
  EXPECT_EQ(drafter_stub.Handshake(&drafter_context, {}, &handshake).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  grpc::ClientContext gateway_context;
  gateway::v1::GetModelResponse model;
  EXPECT_TRUE(gateway_stub.GetModel(&gateway_context, {}, &model).ok());
}

}  // namespace
}  // namespace recycling::doubles
