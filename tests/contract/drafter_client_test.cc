// GrpcDrafterClient over real gRPC.
#include <gtest/gtest.h>

#include <atomic>

#include "common/rpc/proto_convert.h"
#include "common/rpc/rpc_server.h"
#include "gateway/grpc/grpc_drafter_client.h"
#include "tests/doubles/fake_drafter_service.h"
#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
namespace pb = ::recycling::drafter::v1;

// Each reading of this clock is a millisecond later. So time passes only when the client reads it.
class ReadingsClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::UnixEpoch() + Monotonic(); }
  absl::Duration Monotonic() const override { return absl::Milliseconds(++looks_); }

 private:
  mutable std::atomic<int> looks_ = 0;
};

// Answers each step first with `late` answers to the step before, and then with the right answer.
class LateDrafter final : public pb::DrafterService::Service {
 public:
  explicit LateDrafter(int late) : late_(late) {}

  grpc::Status Handshake(grpc::ServerContext*, const pb::HandshakeRequest*,
                         pb::HandshakeResponse* response) override {
    response->set_protocol_version(1);
    return grpc::Status::OK;
  }

  grpc::Status Draft(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<pb::DraftResponse, pb::DraftRequest>* stream) override {
    pb::DraftRequest request;
    while (stream->Read(&request)) {
      if (!request.has_step()) continue;
      pb::DraftResponse response;
      DraftTreeToProto(DraftTree::Root(4, 7), response.mutable_tree());
      response.set_step(request.step().step() - 1);
      for (int i = 0; i < late_; ++i) {
        if (!stream->Write(response)) return grpc::Status::CANCELLED;
      }
      response.set_step(request.step().step());
      stream->Write(response);
    }
    return grpc::Status::OK;
  }

 private:
  const int late_;
};

// Asks a drafter that first sends `late_answers` late answers. The clock hardly moves while the
// client waits, so the speed of the drafter does not matter. The client sends the step only during
// Receive, so the test must not wait for answers before it calls Receive.
absl::StatusOr<DraftAnswer> AskOnce(int late_answers, const Clock& clock) {
  LateDrafter service(late_answers);
  const auto server = *RpcServer::Start({.listen = {"127.0.0.1:0"}}, {&service}, {});
  const auto channel =
      grpc::CreateChannel(server->addresses()[0], grpc::InsecureChannelCredentials());
  const auto client = GrpcDrafterClient::Connect(channel, "drafter", doubles::ToyModel().Identity(),
                                                 8, absl::Minutes(1), clock);
  EXPECT_THAT(client, IsOk());
  const auto session = (*client)->NewSession({.tenant = "default"}, absl::InfiniteFuture(), {});
  session->Send({.step = 1, .proposal = Proposal{.base = 4, .root = 7, .max_nodes = 8}});
  return session->Receive(1, absl::Milliseconds(200));
}

TEST(DrafterClientTest, DropsLateAnswersAndTakesTheRightOne) {
  EXPECT_THAT(AskOnce(10, ReadingsClock()), IsOk());
}

TEST(DrafterClientTest, ManyLateAnswersDoNotExtendTheDeadline) {
  EXPECT_THAT(AskOnce(1000, ReadingsClock()), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

}  // namespace
}  // namespace recycling::gateway
