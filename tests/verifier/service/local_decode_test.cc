// Decode streams within one process: the answers, errors and ends of streams over gRPC.
#include "verifier/service/local_decode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "common/rpc/rpc_server.h"
#include "tests/contract/decode_stream.h"
#include "tests/doubles/matchers.h"
#include "tests/verifier/schedule/fake_transformer.h"
#include "verifier/service/verifier_service.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::HasSubstr;

constexpr std::uint32_t kVocab = 32;
constexpr std::uint32_t kContext = 64;

class LocalDecodeTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }
  void TearDown() override { EXPECT_EQ(scheduler_->load().open_sequences, 0u); }

  void Start(FakeTransformer::Hook hook) {
    service_.reset();
    scheduler_ = std::make_unique<Scheduler>(
        std::make_unique<FakeTransformer>(kVocab, kContext, std::move(hook)),
        FakeKvCache(kContext, 2), SchedulerOptions{.vocab_size = kVocab, .k = 4});
    service_ = std::make_unique<VerifierService>(
        *scheduler_,
        VerifierFacts{.model = {"fake-0", kVocab, std::string(32, 'd')}, .build = "1 (test)"});
  }

  std::unique_ptr<DecodeStream> Open(absl::Time deadline = absl::InfiniteFuture()) {
    return service_->OpenDecode(deadline, {});
  }

  static absl::StatusOr<v1::DecodeResponse> Ask(DecodeStream& stream,
                                                const v1::DecodeRequest& request) {
    stream.Send([&request](v1::DecodeRequest& message) { message = request; });
    v1::DecodeResponse response;
    const auto received = stream.Receive(absl::InfiniteDuration(), &response);
    if (!received.ok()) return received.status();
    EXPECT_TRUE(*received);
    return response;
  }

  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<VerifierService> service_;
};

// The answer without the times that it took.
std::string Timeless(v1::DecodeResponse response) {
  if (response.has_opened()) {
    response.mutable_opened()->clear_load();
    response.mutable_opened()->clear_timings();
  }
  if (response.has_verified()) {
    response.mutable_verified()->clear_load();
    response.mutable_verified()->clear_timings();
  }
  return response.DebugString();
}

TEST_F(LocalDecodeTest, GivesTheAnswersOfAStreamOverGrpc) {
  auto server = RpcServer::Start({.listen = {"127.0.0.1:0"}}, {service_.get()}, {});
  ASSERT_THAT(server, IsOk());
  const auto stub = v1::VerifierService::NewStub(
      grpc::CreateChannel((*server)->addresses()[0], grpc::InsecureChannelCredentials()));
  const std::vector<TokenId> truth = GenerateTokens(*stub, OpenRequest({1, 2, 3}), 2);
  v1::DecodeRequest open = OpenRequest({1, 2, 3});
  open.mutable_open()->set_want_candidates(true);
  open.mutable_open()->set_learn_last(2);
  DraftTree tree = DraftTree::Root(3, 3);
  tree.tokens = {3, truth[0], (truth[0] + 1) % kVocab};
  tree.parents = {-1, 0, 0};

  Stream remote(*stub);
  const auto local = Open();
  for (const v1::DecodeRequest& request : {open, StepRequest(tree, 3), StepRequest(5)}) {
    const auto theirs = remote.Ask(request);
    const auto ours = Ask(*local, request);
    ASSERT_THAT(theirs, IsOk());
    ASSERT_THAT(ours, IsOk());
    EXPECT_EQ(Timeless(*ours), Timeless(*theirs));
  }
  EXPECT_THAT(remote.End(), IsOk());
  local->Close(absl::ZeroDuration());
  local->WaitDone();
}

TEST_F(LocalDecodeTest, MessagesOutOfOrderEndTheStream) {
  EXPECT_THAT(Ask(*Open(), {}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Ask(*Open(), StepRequest(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("expected open first")));
  const auto stream = Open();
  ASSERT_THAT(Ask(*stream, OpenRequest({1, 2})), IsOk());
  EXPECT_THAT(Ask(*stream, OpenRequest({1})), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);  // freed before the caller closes the stream
  EXPECT_FALSE(stream->Send([](v1::DecodeRequest&) { FAIL() << "the stream has ended"; }));
}

TEST_F(LocalDecodeTest, NothingWasAsked) {
  v1::DecodeResponse response;
  EXPECT_THAT(Open()->Receive(absl::InfiniteDuration(), &response),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(LocalDecodeTest, AnOperationTakesNoSecondMessage) {
  std::promise<void> reached;
  Start(Stuck(reached));
  const auto stream = Open();
  EXPECT_TRUE(stream->Send([](v1::DecodeRequest& message) { message = OpenRequest({1, 2, 3}); }));
  EXPECT_FALSE(stream->Send([](v1::DecodeRequest&) { FAIL() << "an operation runs"; }));
  v1::DecodeResponse response;
  EXPECT_THAT(stream->Receive(absl::Milliseconds(1), &response), doubles::IsOkAndHolds(false));
}

TEST_F(LocalDecodeTest, CancelInAPassFreesTheSlot) {
  std::promise<void> reached;
  Start(Stuck(reached));
  const auto stream = Open();
  std::thread canceller([&] {
    reached.get_future().wait();
    stream->Cancel();
  });
  EXPECT_THAT(Ask(*stream, OpenRequest({1, 2, 3})), StatusIs(absl::StatusCode::kCancelled));
  canceller.join();
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
  EXPECT_THAT(Ask(*Open(), OpenRequest({1, 2})), IsOk());
}

TEST_F(LocalDecodeTest, CancelBeforeTheFirstMessageCounts) {
  const auto stream = Open();
  stream->Cancel();
  EXPECT_THAT(Ask(*stream, OpenRequest({1, 2, 3})), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(LocalDecodeTest, TheDeadlineEndsAnOperation) {
  std::promise<void> reached;
  Start(Stuck(reached));
  const auto stream = Open(absl::Now() + absl::Milliseconds(20));
  EXPECT_THAT(Ask(*stream, OpenRequest({1, 2, 3})), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
}

TEST_F(LocalDecodeTest, AStreamThatIsDestroyedInAPassFreesItsSlot) {
  std::promise<void> reached;
  Start(Stuck(reached));
  auto stream = Open();
  stream->Send([](v1::DecodeRequest& message) { message = OpenRequest({1, 2, 3}); });
  reached.get_future().wait();
  stream.reset();
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
}

TEST_F(LocalDecodeTest, ADrainCancelsAnOperationAndRefusesTheNextSequence) {
  std::promise<void> reached;
  Start(Stuck(reached));
  const auto stream = Open();
  std::thread drainer([&] {
    reached.get_future().wait();
    service_->Drain(absl::ZeroDuration());
  });
  EXPECT_THAT(Ask(*stream, OpenRequest({1, 2, 3})), StatusIs(absl::StatusCode::kCancelled));
  drainer.join();
  EXPECT_THAT(Ask(*Open(), OpenRequest({1, 2})),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("drains")));
}

}  // namespace
}  // namespace recycling::verifier
