// Tests that a user of the installed package can write: one with a mock, and one with a fake
// verifier.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/rpc/rpc_server.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/doubles/fake_verifier_service.h"
#include "tests/doubles/mock_verifier_client.h"

namespace doubles = recycling::doubles;

TEST(ConsumerTest, AMockReturnsTheAnswerOfTheTest) {
  doubles::MockVerifierSession session;
  EXPECT_CALL(session, Open).WillOnce(testing::Return(absl::UnavailableError("down")));
  EXPECT_TRUE(absl::IsUnavailable(session.Open({}).status()));
}

TEST(ConsumerTest, AFakeVerifierAnswersAHandshake) {
  doubles::FakeVerifierService verifier;
  const auto server = *recycling::RpcServer::Start({}, {&verifier}, {});
  const auto stub = recycling::verifier::v1::VerifierService::NewStub(server->InProcessChannel());
  grpc::ClientContext context;
  recycling::verifier::v1::HandshakeResponse response;
  EXPECT_TRUE(stub->Handshake(&context, {}, &response).ok());
  EXPECT_EQ(response.model().vocab_size(), 320U);
}
