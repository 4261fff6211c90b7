#include "gateway/grpc/stream_call.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/rpc/rpc_server.h"
#include "gateway/grpc/stream_closer.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using ::recycling::doubles::IsOkAndHolds;
namespace pb = ::recycling::drafter::v1;
using Call = StreamCall<pb::DraftRequest, pb::DraftResponse>;
using Stream = grpc::ServerReaderWriter<pb::DraftResponse, pb::DraftRequest>;

class Event {
 public:
  void Notify() { promise_.set_value(); }
  void Wait() { future_.wait(); }

 private:
  std::promise<void> promise_;
  std::future<void> future_ = promise_.get_future();
};

// A peer that runs a function of the test for each call.
class Peer final : public pb::DrafterService::Service {
 public:
  using Script = std::function<grpc::Status(grpc::ServerContext*, Stream*)>;

  explicit Peer(Script script) : script_(std::move(script)) {
    auto server = RpcServer::Start({}, {this}, {});
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = pb::DrafterService::NewStub(server_->InProcessChannel());
  }

  std::unique_ptr<Call> Start(absl::Time deadline = absl::InfiniteFuture(),
                              const Clock& clock = RealClock()) {
    return Call::Start(
        deadline,
        [this](auto* context, auto* events) { return stub_->PrepareAsyncDraft(context, events); },
        clock);
  }

  grpc::Status Draft(grpc::ServerContext* context, Stream* stream) override {
    return script_(context, stream);
  }

 private:
  const Script script_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<pb::DrafterService::Stub> stub_;
};

bool SendStep(Call& call, std::uint64_t step) {
  return call.Send([step](pb::DraftRequest& request) { request.mutable_step()->set_step(step); });
}

grpc::Status Echo(grpc::ServerContext*, Stream* stream) {
  pb::DraftRequest request;
  pb::DraftResponse response;
  while (stream->Read(&request)) {
    response.set_step(request.step().step());
    stream->Write(response);
  }
  return grpc::Status::OK;
}

void WaitUntilCancelled(Stream* stream) {
  pb::DraftRequest request;
  while (stream->Read(&request)) {
  }
}

TEST(StreamCallTest, AnswersComeInOrder) {
  Peer peer(Echo);
  const auto call = peer.Start();
  pb::DraftResponse response;
  for (std::uint64_t step = 0; step < 100; ++step) {
    ASSERT_TRUE(SendStep(*call, step));
    ASSERT_THAT(call->Receive(absl::InfiniteDuration(), &response), IsOkAndHolds(true));
    EXPECT_EQ(response.step(), step);
  }
}

TEST(StreamCallTest, ALateAnswerIsKeptForTheNextReceive) {
  Event answer;
  Peer peer([&](grpc::ServerContext* context, Stream* stream) {
    answer.Wait();
    return Echo(context, stream);
  });
  const auto call = peer.Start();
  ASSERT_TRUE(SendStep(*call, 7));
  pb::DraftResponse response;
  EXPECT_THAT(call->Receive(absl::Microseconds(1), &response), IsOkAndHolds(false));
  answer.Notify();
  EXPECT_THAT(call->Receive(absl::InfiniteDuration(), &response), IsOkAndHolds(true));
  EXPECT_EQ(response.step(), 7u);
}

TEST(StreamCallTest, TheCallEndsWithThePeersStatusAndOkCountsAsUnavailable) {
  for (const auto& [status, expected] :
       {std::pair(grpc::Status::OK, absl::StatusCode::kUnavailable),
        std::pair(grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "x"),
                  absl::StatusCode::kOutOfRange)}) {
    Peer peer([status = status](grpc::ServerContext*, Stream*) { return status; });
    const auto call = peer.Start();
    SendStep(*call, 1);
    pb::DraftResponse response;
    EXPECT_EQ(call->Receive(absl::InfiniteDuration(), &response).status().code(), expected);
    EXPECT_FALSE(SendStep(*call, 2));
  }
}

TEST(StreamCallTest, CancelOnAnotherThreadEndsReceive) {
  Event reached;
  Peer peer([&](grpc::ServerContext*, Stream* stream) {
    reached.Notify();
    WaitUntilCancelled(stream);
    return grpc::Status::CANCELLED;
  });
  const auto call = peer.Start();
  ASSERT_TRUE(SendStep(*call, 1));
  std::thread canceller([&] {
    reached.Wait();
    call->Cancel();
  });
  pb::DraftResponse response;
  EXPECT_EQ(call->Receive(absl::InfiniteDuration(), &response).status().code(),
            absl::StatusCode::kCancelled);
  canceller.join();
}

TEST(StreamCallTest, TheDeadlineEndsACall) {
  Peer peer([&](grpc::ServerContext*, Stream* stream) {
    WaitUntilCancelled(stream);
    return grpc::Status::CANCELLED;
  });
  const auto call = peer.Start(absl::Now());
  SendStep(*call, 1);
  pb::DraftResponse response;
  EXPECT_EQ(call->Receive(absl::InfiniteDuration(), &response).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(StreamCallTest, MessagesSentBeforeCloseArrive) {
  std::vector<std::uint64_t> heard;
  Event ended;
  Peer peer([&](grpc::ServerContext*, Stream* stream) {
    pb::DraftRequest request;
    while (stream->Read(&request)) heard.push_back(request.step().step());
    ended.Notify();
    return grpc::Status::OK;
  });
  StreamCloser closer;
  auto call = peer.Start();
  for (std::uint64_t step = 1; step <= 3; ++step) ASSERT_TRUE(SendStep(*call, step));
  call->Close(absl::InfiniteDuration());
  EXPECT_FALSE(SendStep(*call, 4));
  closer.Take(std::move(call));
  ended.Wait();
  EXPECT_EQ(heard, (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST(StreamCallTest, APeerThatDoesNotEndIsCancelledAfterTheLinger) {
  Event reached, cancelled;
  Peer peer([&](grpc::ServerContext* context, Stream*) {
    reached.Notify();
    while (!context->IsCancelled()) std::this_thread::yield();
    cancelled.Notify();
    return grpc::Status::OK;
  });
  doubles::FakeClock clock;
  const auto call = peer.Start(absl::InfiniteFuture(), clock);
  ASSERT_TRUE(SendStep(*call, 1));
  reached.Wait();
  call->Close(absl::Hours(1));
  clock.Advance(absl::Hours(1));
  call->WaitDone();
  cancelled.Wait();
}

// A clock whose wall time jumps a day ahead, as after a correction. Its monotonic time does not
// jump.
class WallClockAhead final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now() + absl::Hours(ahead_.load()); }
  absl::Duration Monotonic() const override { return RealClock().Monotonic(); }
  void Jump() { ahead_ = 24; }

 private:
  std::atomic<int> ahead_ = 0;
};

TEST(StreamCallTest, AJumpOfTheWallClockDoesNotEndTheLinger) {
  Event reached, jumped;
  std::atomic<bool> cancelled = true;
  Peer peer([&](grpc::ServerContext* context, Stream* stream) {
    pb::DraftRequest request;
    stream->Read(&request);
    reached.Notify();
    jumped.Wait();
    cancelled = context->IsCancelled() || stream->Read(&request);
    return grpc::Status::OK;
  });
  WallClockAhead clock;
  const auto call = peer.Start(absl::InfiniteFuture(), clock);
  ASSERT_TRUE(SendStep(*call, 1));
  reached.Wait();
  call->Close(absl::Hours(1));
  clock.Jump();
  std::thread peer_ends([&] { jumped.Notify(); });
  call->WaitDone();
  peer_ends.join();
  EXPECT_FALSE(cancelled);
}

TEST(StreamCallTest, AnOpenCallThatIsDestroyedIsCancelled) {
  Event ended;
  Peer peer([&](grpc::ServerContext*, Stream* stream) {
    WaitUntilCancelled(stream);
    ended.Notify();
    return grpc::Status::CANCELLED;
  });
  {
    const auto call = peer.Start();
    ASSERT_TRUE(SendStep(*call, 1));
    pb::DraftResponse response;
    ASSERT_THAT(call->Receive(absl::ZeroDuration(), &response), IsOkAndHolds(false));
  }
  { const auto never_begun = peer.Start(); }
  ended.Wait();
}

TEST(StreamCallTest, RefusesMoreMessagesWhenThePeerDoesNotReadThem) {
  Event stop;
  Peer peer([&](grpc::ServerContext*, Stream*) {
    stop.Wait();
    return grpc::Status::OK;
  });
  const auto call = peer.Start();
  const auto send = [&call] {
    return call->Send([](pb::DraftRequest& request) {
      request.mutable_open()->set_tenant(std::string(1 << 20, 't'));
    });
  };
  std::size_t sent = 0;
  while (send()) ++sent;
  EXPECT_GE(sent, Call::kMaxQueued);
  EXPECT_LE(sent, Call::kMaxQueued + 16);
  stop.Notify();
}

// Answers every message with bytes that are not a message.
class Babbler final
    : public pb::DrafterService::WithRawCallbackMethod_Draft<pb::DrafterService::Service> {
 public:
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Draft(
      grpc::CallbackServerContext*) override {
    return new Reactor;
  }

 private:
  class Reactor final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    Reactor() { StartRead(&request_); }
    void OnReadDone(bool ok) override {
      if (!ok) return Finish(grpc::Status::OK);
      StartWrite(&answer_);
    }
    void OnWriteDone(bool) override { StartRead(&request_); }
    void OnDone() override { delete this; }

   private:
    const grpc::Slice slice_{"\xff\xff\xff"};
    grpc::ByteBuffer request_, answer_{&slice_, 1};
  };
};

TEST(StreamCallTest, AMessageThatCannotBeParsedEndsTheCallAsInternal) {
  Babbler babbler;
  const auto server = RpcServer::Start({}, {&babbler}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = pb::DrafterService::NewStub((*server)->InProcessChannel());
  const auto call = Call::Start(absl::InfiniteFuture(), [&](auto* context, auto* events) {
    return stub->PrepareAsyncDraft(context, events);
  });
  ASSERT_TRUE(SendStep(*call, 1));
  pb::DraftResponse response;
  EXPECT_EQ(call->Receive(absl::InfiniteDuration(), &response).status().code(),
            absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace recycling::gateway
