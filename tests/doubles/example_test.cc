// The example in README.md: a function that calls a verifier, and its test.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "common/rpc/rpc_server.h"
#include "tests/doubles/fake_verifier_service.h"
#include "tests/doubles/matchers.h"

namespace {

namespace pb = recycling::verifier::v1;
using recycling::doubles::FakeVerifierService;
using recycling::doubles::ToyModel;
using recycling::doubles::VerifierFault;
using ::testing::ElementsAreArray;

// Your code. It asks a verifier for `count` tokens, one token in each plain step.
grpc::Status Complete(const std::shared_ptr<grpc::Channel>& channel,
                      const std::vector<std::uint32_t>& prompt, int count,
                      std::vector<std::uint32_t>& tokens) {
  grpc::ClientContext context;
  const auto stub = pb::VerifierService::NewStub(channel);
  const auto stream = stub->Decode(&context);
  pb::DecodeRequest request;
  pb::DecodeResponse response;
  request.mutable_open()->mutable_prompt_ids()->Add(prompt.begin(), prompt.end());
  bool alive = stream->Write(request) && stream->Read(&response);
  for (int step = 0; alive && step < count; ++step) {
    request.mutable_verify()->set_step(static_cast<std::uint64_t>(step));
    request.mutable_verify()->set_base(static_cast<std::uint32_t>(prompt.size() + tokens.size()));
    alive = stream->Write(request) && stream->Read(&response);
    if (alive) tokens.push_back(response.verified().tokens(0));
  }
  stream->WritesDone();
  return stream->Finish();
}

// A fake verifier in this process.
class CompleteTest : public testing::Test {
 protected:
  std::shared_ptr<grpc::Channel> Serve(FakeVerifierService& service) {
    server_ = *recycling::RpcServer::Start({}, {&service}, {});
    return server_->InProcessChannel();
  }

  std::unique_ptr<recycling::RpcServer> server_;
};

TEST_F(CompleteTest, GetsTheTokensOfTheModel) {
  FakeVerifierService verifier;
  std::vector<std::uint32_t> tokens;
  EXPECT_TRUE(Complete(Serve(verifier), {5, 6, 7}, 4, tokens).ok());
  EXPECT_THAT(tokens, ElementsAreArray(ToyModel().Continue({5, 6, 7}, 4)));
}

TEST_F(CompleteTest, KeepsTheTokensBeforeTheVerifierFailed) {
  FakeVerifierService verifier({.fault = [](std::uint64_t step) {
    return step == 2 ? VerifierFault::kError : VerifierFault::kNone;
  }});
  std::vector<std::uint32_t> tokens;
  const grpc::Status status = Complete(Serve(verifier), {5, 6, 7}, 4, tokens);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(tokens, ElementsAreArray(ToyModel().Continue({5, 6, 7}, 2)));
}

}  // namespace
