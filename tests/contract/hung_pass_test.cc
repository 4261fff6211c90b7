// A pass of a verifier hangs, but the verifier still answers calls. These tests check the
// verifier's health and handshake, and what a gateway does. Services and gRPC are real. The model
// computes nothing, and the clock is a fake.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "common/rpc/health_client.h"
#include "common/rpc/rpc_server.h"
#include "common/rpc/status_grpc.h"
#include "common/rpc/tokenizer_proto.h"
#include "gateway/gateway.h"
#include "recycling/gateway/v1/gateway.grpc.pb.h"
#include "recycling/verifier/v1/verifier.grpc.pb.h"
#include "tests/contract/decode_stream.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/toy_model.h"
#include "tests/verifier/schedule/fake_transformer.h"
#include "verifier/schedule/scheduler.h"
#include "verifier/service/verifier_health.h"
#include "verifier/service/verifier_service.h"

namespace recycling {
namespace {

using doubles::IsOk;
using doubles::IsOkAndHolds;
using doubles::StatusIs;

constexpr std::uint32_t kContext = 256;
constexpr char kHealthName[] = "verifier";

// Makes a pass hang until Free is called, even if the pass is cancelled. Threads: any thread may
// call it.
class Snag {
 public:
  ~Snag() { Free(); }

  // After `passes` more passes, the next one hangs; it calls `caught` first.
  void Set(int passes, std::function<void()> caught) {
    MutexLock lock(mutex_);
    left_ = passes;
    caught_ = std::move(caught);
  }
  void Clear() {
    MutexLock lock(mutex_);
    left_.reset();
  }
  void Pass() {
    MutexLock lock(mutex_);
    if (!left_.has_value() || (*left_)-- > 0) return;
    left_.reset();
    hangs_ = true;
    if (caught_) caught_();
    changed_.NotifyAll();
    while (hangs_) changed_.Wait(mutex_);
  }
  void AwaitCaught() {
    MutexLock lock(mutex_);
    while (!hangs_) changed_.Wait(mutex_);
  }
  void Free() {
    MutexLock lock(mutex_);
    hangs_ = false;
    changed_.NotifyAll();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::optional<int> left_ ABSL_GUARDED_BY(mutex_);  // no value: no pass will hang
  bool hangs_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> caught_ ABSL_GUARDED_BY(mutex_);
};

// A verifier whose model is a FakeTransformer, so it needs no model file.
struct Verifier {
  Verifier(const doubles::ToyModel& model, const Clock& clock)
      : scheduler(
            std::make_unique<verifier::FakeTransformer>(model.vocab_size(), kContext,
                                                        [this](auto, auto) {
                                                          snag.Pass();
                                                          return absl::OkStatus();
                                                        }),
            verifier::FakeKvCache(kContext, 3),
            verifier::SchedulerOptions{
                .vocab_size = model.vocab_size(), .k = 4, .max_tree_nodes = 16, .prefill_chunk = 8},
            clock),
        service(scheduler, {.model = model.Identity(),
                            .build = "test",
                            .tokenizer_chunks = *SplitTokenizerData(model.MakeTokenizerData())}),
        server(*RpcServer::Start({}, {&service}, {kHealthName})) {
    health.OnChange([this](bool healthy) { server->SetServing(healthy); });
  }
  ~Verifier() {
    health.OnChange(nullptr);
    snag.Free();
    server->Shutdown(absl::ZeroDuration());
  }

  absl::Status Handshake() {
    grpc::ClientContext context;
    verifier::v1::HandshakeResponse response;
    const auto stub = verifier::v1::VerifierService::NewStub(server->InProcessChannel());
    return FromGrpcStatus(stub->Handshake(&context, {}, &response));
  }
  absl::StatusOr<bool> Serving() {
    health.Look();
    return CheckHealth(server->InProcessChannel(), kHealthName, absl::Minutes(1));
  }

  Snag snag;
  verifier::Scheduler scheduler;
  verifier::VerifierService service;
  std::unique_ptr<RpcServer> server;
  verifier::VerifierHealth health{[this] { return scheduler.CheckPasses(); }};
};

class HungPassTest : public ::testing::Test {
 protected:
  const doubles::ToyModel model_;
  doubles::FakeClock clock_;
};

TEST_F(HungPassTest, TheVerifierReportsThatItHangsUntilThePassEnds) {
  Verifier verifier(model_, clock_);
  const auto stub = verifier::v1::VerifierService::NewStub(verifier.server->InProcessChannel());
  verifier.snag.Set(0, nullptr);
  verifier::Stream stream(*stub);
  auto opened = std::async(std::launch::async, [&] {
    return stream.Ask(verifier::OpenRequest({1, 2, 3}));
  });
  verifier.snag.AwaitCaught();
  clock_.Advance(absl::Seconds(30));
  EXPECT_THAT(verifier.Handshake(), IsOk());
  EXPECT_THAT(verifier.Serving(), IsOkAndHolds(true));

  clock_.Advance(absl::Seconds(1));
  const auto hangs =
      StatusIs(absl::StatusCode::kUnavailable, "no pass has ended for 31s, expected at most 30s");
  EXPECT_THAT(verifier.Handshake(), hangs);
  EXPECT_THAT(verifier.Serving(), IsOkAndHolds(false));
  EXPECT_THAT(verifier::Stream(*stub).Ask(verifier::OpenRequest({1, 2})), hangs)
      << "a new sequence would wait as well";
  EXPECT_EQ(verifier.scheduler.load().open_sequences, 1u);

  verifier.snag.Free();
  while (!verifier.Handshake().ok()) std::this_thread::yield();
  EXPECT_THAT(verifier.Serving(), IsOkAndHolds(true));
  EXPECT_THAT(opened.get(), IsOk()) << "the sequence that waited continues";
}

TEST_F(HungPassTest, TheGatewayMovesAStreamWithoutADeadlineAndNoTokenChanges) {
  std::map<std::string, std::unique_ptr<Verifier>> verifiers;
  gateway::GatewayOptions options;
  for (const char* address : {"a", "b"}) {
    verifiers[address] = std::make_unique<Verifier>(model_, clock_);
    options.verifiers.push_back({.address = address});
  }
  options.channel = [&](const std::string& address) {
    return verifiers.at(address)->server->InProcessChannel();
  };
  auto gateway = gateway::CreateGateway(options);
  ASSERT_THAT(gateway, IsOk());
  const auto server = *RpcServer::Start({}, {(*gateway)->service()}, {});
  const auto stub = gateway::v1::GatewayService::NewStub(server->InProcessChannel());
  const auto await_ready = [&] {
    int ready = 0;
    while (ready < 2) {
      grpc::ClientContext context;
      gateway::v1::GetStatsResponse stats;
      ASSERT_TRUE(stub->GetStats(&context, {}, &stats).ok());
      ready = 0;
      for (const auto& peer : stats.peers()) ready += peer.ready() ? 1 : 0;
    }
  };
  await_ready();

  const auto generate = [&](std::uint64_t* moves) {
    gateway::v1::GenerateRequest request;
    for (const TokenId id : {5U, 6U, 7U}) request.mutable_prompt_ids()->add_ids(id);
    request.mutable_sampling()->set_ignore_eos(true);
    request.mutable_sampling()->set_max_tokens(200);
    grpc::ClientContext context;
    const auto reader = stub->Generate(&context, request);
    std::vector<TokenId> tokens;
    for (gateway::v1::GenerateResponse response; reader->Read(&response);) {
      if (response.has_final()) *moves = response.final().speculation().moves();
      if (!response.has_delta()) continue;
      const auto& ids = response.delta().token_ids();
      tokens.insert(tokens.end(), ids.begin(), ids.end());
    }
    EXPECT_THAT(FromGrpcStatus(reader->Finish()), IsOk());
    return tokens;
  };
  std::uint64_t moves = 0;
  const std::vector<TokenId> undisturbed = generate(&moves);
  EXPECT_EQ(undisturbed.size(), 200u);
  EXPECT_EQ(moves, 0u);
  // The first verifier that hangs clears the snag of the other one, so only one verifier hangs.
  verifiers["a"]->snag.Set(50, [&] {
    verifiers["b"]->snag.Clear();
    clock_.Advance(absl::Seconds(31));
  });
  verifiers["b"]->snag.Set(50, [&] {
    verifiers["a"]->snag.Clear();
    clock_.Advance(absl::Seconds(31));
  });
  EXPECT_EQ(generate(&moves), undisturbed);
  EXPECT_EQ(moves, 1u);

  for (const auto& [address, verifier] : verifiers) verifier->snag.Free();
  await_ready();
  (*gateway)->OnReady(nullptr);
  server->Shutdown(absl::ZeroDuration());
}

}  // namespace
}  // namespace recycling
