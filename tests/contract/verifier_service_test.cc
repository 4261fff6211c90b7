// The verifier's protocol, over real gRPC, with a model that computes nothing.
#include "verifier/service/verifier_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <random>
#include <thread>
#include <utility>

#include "common/rpc/proto_convert.h"
#include "common/rpc/rpc_server.h"
#include "common/rpc/status_grpc.h"
#include "tests/contract/decode_stream.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/matchers.h"
#include "tests/verifier/schedule/fake_transformer.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::uint32_t kVocab = 32;
constexpr std::uint32_t kContext = 64;
constexpr TokenId kEos = 31;

class VerifierServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({}); }
  void TearDown() override { Stop(); }

  void Stop() {
    stub_.reset();
    if (server_ != nullptr) server_->Shutdown(absl::ZeroDuration());
    server_.reset();
    service_.reset();
    scheduler_.reset();
  }

  void Start(FakeTransformer::Hook hook, bool in_process = false) {
    Stop();
    auto transformer = std::make_unique<FakeTransformer>(kVocab, kContext, std::move(hook));
    transformer_ = transformer.get();
    scheduler_ = std::make_unique<Scheduler>(std::move(transformer), FakeKvCache(kContext, kSlots),
                                             SchedulerOptions{.vocab_size = kVocab,
                                                              .eos_ids = {kEos},
                                                              .k = 4,
                                                              .max_tree_nodes = 16,
                                                              .prefill_chunk = 4});
    service_ = std::make_unique<VerifierService>(
        *scheduler_,
        VerifierFacts{.model = {"fake-0", kVocab, std::string(32, 'd')},
                      .build = "1 (test)",
                      .model_description = "a fake",
                      .tokenizer_chunks = {"first", "second", "third"}},
        kIdleTimeout, clock_);
    RpcServerOptions options;
    options.max_message_bytes = 4096;
    if (!in_process) options.listen = {"127.0.0.1:0"};
    auto server = RpcServer::Start(options, {service_.get()}, {});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    stub_ = v1::VerifierService::NewStub(
        in_process
            ? server_->InProcessChannel()
            : grpc::CreateChannel(server_->addresses()[0], grpc::InsecureChannelCredentials()));
  }

  absl::StatusOr<v1::DecodeResponse> OpenThen(const v1::DecodeRequest& request) {
    Stream stream(*stub_);
    EXPECT_THAT(stream.Ask(OpenRequest({1, 2})), IsOk());
    return stream.Ask(request);
  }

  absl::StatusOr<v1::VerifyResponse> Verify(const v1::VerifyRequest& request) {
    grpc::ClientContext context;
    v1::VerifyResponse response;
    const grpc::Status status = stub_->Verify(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  std::vector<TokenId> Generate(const v1::DecodeRequest& request, std::size_t count) {
    return GenerateTokens(*stub_, request, count);
  }

  void WaitUntilFree() {
    while (scheduler_->load().open_sequences > 0) std::this_thread::yield();
  }

  static constexpr int kSlots = 3;
  static constexpr absl::Duration kIdleTimeout = absl::Minutes(5);
  doubles::FakeClock clock_;  // the service measures idle time with it
  FakeTransformer* transformer_ = nullptr;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<VerifierService> service_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::VerifierService::Stub> stub_;
};

TEST_F(VerifierServiceTest, TheHandshakeStatesTheModelAndTheLimits) {
  grpc::ClientContext context;
  v1::HandshakeResponse response;
  ASSERT_TRUE(stub_->Handshake(&context, {}, &response).ok());
  EXPECT_EQ(ModelIdentityFromProto(response.model()),
            (ModelIdentity{"fake-0", kVocab, std::string(32, 'd')}));
  EXPECT_EQ(response.context_length(), kContext);
  EXPECT_EQ(response.k(), 4u);
  EXPECT_EQ(response.max_tree_nodes(), 16u);
  EXPECT_EQ(response.max_sequences(), 3u);
  EXPECT_EQ(response.numerics_id(), "fake");
  EXPECT_EQ(response.build(), "1 (test)");
  EXPECT_EQ(response.protocol_version(), 1u);
  EXPECT_THAT(response.eos_token_ids(), ElementsAre(kEos));
  EXPECT_EQ(response.load().open_sequences(), 0u);
  EXPECT_EQ(response.kernel(), "fake");
  EXPECT_EQ(response.model_description(), "a fake");
  EXPECT_EQ(response.page_tokens(), kKvBlockRows);
}

TEST_F(VerifierServiceTest, TheTokenizerComesInChunks) {
  grpc::ClientContext context;
  const auto reader = stub_->GetTokenizer(&context, {});
  std::vector<std::string> chunks;
  for (v1::GetTokenizerResponse response; reader->Read(&response);) {
    chunks.push_back(response.chunk());
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_THAT(chunks, ElementsAre("first", "second", "third"));
}

TEST_F(VerifierServiceTest, AStreamOpensAndVerifies) {
  const std::vector<TokenId> truth = Generate(OpenRequest({1, 2, 3}), 2);
  Stream stream(*stub_);
  v1::DecodeRequest open = OpenRequest({1, 2, 3});
  open.mutable_open()->set_want_candidates(true);
  open.mutable_open()->set_learn_last(1);
  open.mutable_open()->mutable_sampling()->set_top_logprobs(3);
  const auto opened = stream.Ask(open);
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->opened().base(), 3u);
  EXPECT_EQ(opened->opened().prompt_candidates().k(), 4u);
  EXPECT_THAT(opened->opened().prompt_candidates().ids(), SizeIs(4));
  EXPECT_EQ(opened->opened().load().open_sequences(), 1u);

  DraftTree tree = DraftTree::Root(3, 3);
  tree.tokens = {3, truth[0], (truth[0] + 1) % kVocab};
  tree.parents = {-1, 0, 0};
  const auto verified = stream.Ask(StepRequest(tree, 3));
  ASSERT_THAT(verified, IsOk());
  const v1::StepVerified& step = verified->verified();
  EXPECT_EQ(step.step(), 7u);
  EXPECT_EQ(step.base(), 3u);
  EXPECT_THAT(step.tokens(), ElementsAre(truth[0], truth[1]));
  EXPECT_THAT(step.accepted_nodes(), ElementsAre(1));
  EXPECT_THAT(step.candidates().ids(), SizeIs(12));
  ASSERT_THAT(step.logprobs(), SizeIs(2));
  EXPECT_EQ(step.logprobs(1).token_id(), truth[1]);
  EXPECT_THAT(step.logprobs(1).top(), SizeIs(3));
  EXPECT_FALSE(step.draft_ignored());
  ASSERT_TRUE(step.has_verified_nodes());
  EXPECT_EQ(step.verified_nodes(), 2u);
  EXPECT_EQ(step.load().other_rows(), 0);
  EXPECT_EQ(step.load().other_tokens(), 0);
  EXPECT_EQ(step.load().other_micros(), 0u);
  EXPECT_THAT(step.load().pass_costs(), SizeIs(2));
  EXPECT_THAT(stream.End(), IsOk());
}

TEST_F(VerifierServiceTest, AnswersLeaveOutFieldsThatTheClientDidNotAskFor) {
  const auto response = OpenThen(StepRequest(2));
  ASSERT_THAT(response, IsOk());
  EXPECT_FALSE(response->verified().has_candidates());
  EXPECT_THAT(response->verified().logprobs(), SizeIs(0));
}

TEST_F(VerifierServiceTest, MessagesOutOfOrderAreRefused) {
  EXPECT_THAT(Stream(*stub_).Ask({}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Stream(*stub_).Ask(StepRequest(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("expected open first")));
  EXPECT_THAT(OpenThen(OpenRequest({1})),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("second open")));
  EXPECT_THAT(OpenThen({}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
}

TEST_F(VerifierServiceTest, RefusesAnOpenWithFieldsOutOfRange) {
  const auto expect = [&](const v1::DecodeRequest& request, const std::string& message) {
    EXPECT_THAT(Stream(*stub_).Ask(request),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  expect(OpenRequest({}), "prompt_ids: got none");
  expect(OpenRequest({1, kVocab}), "got token id 32");
  expect(OpenRequest({1, 0xFFFFFFFF}), "got token id 4294967295");
  expect(OpenRequest(std::vector<TokenId>(kContext + 1, 1)), "got 65 tokens");
  v1::DecodeRequest request = OpenRequest({1});
  for (int i = 0; i < 64; ++i) request.mutable_open()->add_generated_ids(1);
  expect(request, "got 65 tokens");
  request = OpenRequest({1});
  request.mutable_open()->mutable_sampling()->set_temperature(1);
  expect(request, "seed");
  request.mutable_open()->mutable_sampling()->set_temperature(-1);
  expect(request, "temperature");
  request = OpenRequest({1});
  request.mutable_open()->mutable_sampling()->add_stop_token_ids(kVocab);
  expect(request, "stop_token_ids");
  request = OpenRequest({1});
  request.mutable_open()->set_tenant(std::string(129, 't'));
  expect(request, "tenant: got 129 bytes, expected at most 128");
}

TEST_F(VerifierServiceTest, DecodeAndUnaryVerifyRefuseAnOpenForAnotherVerifier) {
  const auto expect = [&](const v1::DecodeRequest& open, absl::StatusCode code,
                          const std::string& message) {
    v1::VerifyRequest twin;
    *twin.mutable_open() = open.open();
    EXPECT_THAT(Stream(*stub_).Ask(open), StatusIs(code, HasSubstr(message)));
    EXPECT_THAT(Verify(twin), StatusIs(code, HasSubstr(message)));
    EXPECT_EQ(scheduler_->load().open_sequences, 0u);
  };
  using enum absl::StatusCode;
  const ModelIdentity mine = {"fake-0", kVocab, std::string(32, 'd')};
  v1::DecodeRequest request = OpenRequest({1, 2});
  expect(request, kOk, "");
  ModelIdentityToProto(mine, request.mutable_open()->mutable_model());
  request.mutable_open()->set_numerics_id("fake");
  expect(request, kOk, "");

  const auto refuses_model = [&](const ModelIdentity& model, absl::StatusCode code,
                                 const std::string& message) {
    v1::DecodeRequest other = request;
    ModelIdentityToProto(model, other.mutable_open()->mutable_model());
    expect(other, code, message);
  };
  refuses_model({"other", kVocab, mine.tokenizer_digest}, kFailedPrecondition,
                "model_id: got \"other\", expected \"fake-0\"");
  refuses_model({"fake-0", 33, mine.tokenizer_digest}, kFailedPrecondition,
                "vocab_size: got 33, expected 32");
  refuses_model({"fake-0", kVocab, std::string(32, 'e')}, kFailedPrecondition, "tokenizer_digest");
  refuses_model({"", kVocab, mine.tokenizer_digest}, kInvalidArgument, "model_id");
  request.mutable_open()->clear_model();
  request.mutable_open()->set_numerics_id("other");
  expect(request, kFailedPrecondition, "numerics_id: got \"other\", expected \"fake\"");
}

TEST_F(VerifierServiceTest, MalformedTreesAreRefused) {
  const auto expect = [&](const v1::DecodeRequest& request, const std::string& message) {
    EXPECT_THAT(OpenThen(request),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  const auto tree = [](std::vector<std::uint32_t> tokens, std::vector<std::uint32_t> parents,
                       std::uint32_t root = 2) {
    v1::DecodeRequest request = StepRequest(2);
    auto* proto = request.mutable_verify()->mutable_tree();
    proto->set_base(2);
    proto->set_root(root);
    proto->mutable_tokens()->Assign(tokens.begin(), tokens.end());
    proto->mutable_parents()->Assign(parents.begin(), parents.end());
    return request;
  };
  expect(tree({3, 4}, {0}), "got 1 parents");
  expect(tree({3, 4}, {2, 1}), "got parent 2 for node 1");
  expect(tree({3, 4}, {0, 2}), "got parent 2 for node 2");
  expect(tree({3}, {0xFFFFFFFF}), "got parent 4294967295");
  expect(tree({3, 3}, {0, 0}), "twice below node 0");
  expect(tree({kVocab}, {0}), "got token 32");
  expect(tree({3}, {0}, 5), "got root 5, expected the last committed token, 2");
  expect(tree(std::vector<std::uint32_t>(17, 3), std::vector<std::uint32_t>(17, 0)),
         "got 17 nodes");
}

TEST_F(VerifierServiceTest, AWrongBaseFailsAndAStaleTreeIsIgnored) {
  EXPECT_THAT(OpenThen(StepRequest(3)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("got 3, expected 2")));
  DraftTree stale = DraftTree::Root(1, 9);
  stale.tokens.push_back(4);
  stale.parents.push_back(0);
  const auto response = OpenThen(StepRequest(stale, 2));
  ASSERT_THAT(response, IsOk());
  EXPECT_TRUE(response->verified().draft_ignored());
  EXPECT_THAT(response->verified().tokens(), SizeIs(1));
}

TEST_F(VerifierServiceTest, AStepBeyondTheContextIsOutOfRange) {
  Stream stream(*stub_);
  ASSERT_THAT(stream.Ask(OpenRequest(std::vector<TokenId>(kContext, 1))), IsOk());
  EXPECT_THAT(stream.Ask(StepRequest(kContext)), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(VerifierServiceTest, NanLogitsAreAnInternalError) {
  transformer_->poisoned = true;
  EXPECT_THAT(OpenThen(StepRequest(2)), StatusIs(absl::StatusCode::kInternal, HasSubstr("nan")));
}

TEST_F(VerifierServiceTest, AnOversizeMessageEndsOnlyItsStream) {
  Stream other(*stub_);
  ASSERT_THAT(other.Ask(OpenRequest({1, 2})), IsOk());
  EXPECT_THAT(Stream(*stub_).Ask(OpenRequest(std::vector<TokenId>(5000, 1))),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(other.Ask(StepRequest(2)), IsOk());
}

TEST_F(VerifierServiceTest, AStreamThatEndsFreesItsSlotForAnother) {
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < kSlots; ++i) {
    streams.push_back(std::make_unique<Stream>(*stub_));
    ASSERT_THAT(streams.back()->Ask(OpenRequest({1})), IsOk());
  }
  EXPECT_THAT(Stream(*stub_).Ask(OpenRequest({1})), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(streams[0]->End(), IsOk());  // half-close
  EXPECT_THAT(Stream(*stub_).Ask(OpenRequest({1})), IsOk());
  EXPECT_THAT(streams[1]->Ask({}), StatusIs(absl::StatusCode::kInvalidArgument));  // error
  EXPECT_THAT(Stream(*stub_).Ask(OpenRequest({1})), IsOk());
}

TEST_F(VerifierServiceTest, CancellingAnIdleStreamFreesItsSlot) {
  Stream stream(*stub_);
  ASSERT_THAT(stream.Ask(OpenRequest({1})), IsOk());
  stream.Cancel();
  WaitUntilFree();
  EXPECT_THAT(stream.End(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(VerifierServiceTest, CancellingInAPassFreesTheSlot) {
  std::promise<void> reached;
  Start(Stuck(reached));
  Stream stream(*stub_);
  ASSERT_TRUE(stream.Write(OpenRequest({1, 2, 3})));
  reached.get_future().wait();
  stream.Cancel();
  WaitUntilFree();
  EXPECT_THAT(stream.End(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Stream(*stub_).Ask(OpenRequest({1, 2})), IsOk());
}

TEST_F(VerifierServiceTest, ADeadlineInAPassFreesTheSlot) {
  std::promise<void> reached;
  auto is_reached = reached.get_future();
  Start(Stuck(reached));
  // On a slow machine the deadline may be over before the pass begins. Then try a later deadline.
  absl::Duration deadline = absl::Milliseconds(100);
  do {
    Stream stream(*stub_, deadline);
    ASSERT_THAT(stream.Ask(OpenRequest({1, 2, 3})), StatusIs(absl::StatusCode::kDeadlineExceeded));
    WaitUntilFree();
    deadline *= 2;
  } while (is_reached.wait_for(std::chrono::seconds(0)) != std::future_status::ready);
  EXPECT_THAT(Stream(*stub_).Ask(OpenRequest({1, 2})), IsOk());
}

TEST_F(VerifierServiceTest, AStreamWhoseClientSendsNothingIsEnded) {
  for (const bool in_process : {false, true}) {
    Start({}, in_process);
    Stream stream(*stub_);
    ASSERT_THAT(stream.Ask(OpenRequest({1, 2})), IsOk());
    clock_.Advance(kIdleTimeout - absl::Seconds(1));
    service_->EndIdleStreams();
    ASSERT_THAT(stream.Ask(StepRequest(2)), IsOk());
    clock_.Advance(kIdleTimeout - absl::Seconds(1));
    service_->EndIdleStreams();
    EXPECT_EQ(scheduler_->load().open_sequences, 1u) << "each message restarts the idle time";

    clock_.Advance(absl::Seconds(1));
    service_->EndIdleStreams();
    WaitUntilFree();
    EXPECT_THAT(stream.Ask(StepRequest(3)),
                StatusIs(absl::StatusCode::kDeadlineExceeded,
                         "the client has sent nothing for 5m although it was the client's turn"));
    EXPECT_THAT(Stream(*stub_).Ask(OpenRequest({1, 2})), IsOk());
  }
}

TEST_F(VerifierServiceTest, AStreamWhoseClientDoesNotReadItsAnswerIsCancelled) {
  Start({}, /*in_process=*/true);  // in process, a message waits until the client reads it
  Stream stream(*stub_);
  ASSERT_TRUE(stream.Write(OpenRequest({1, 2})));
  while (scheduler_->load().open_sequences == 0) std::this_thread::yield();
  while (scheduler_->load().open_sequences > 0) {
    clock_.Advance(kIdleTimeout);
    service_->EndIdleStreams();
  }
  EXPECT_FALSE(stream.Ask(StepRequest(2)).ok() && stream.Ask(StepRequest(3)).ok());
}

TEST_F(VerifierServiceTest, AStreamIsNotIdleWhileAPassRuns) {
  std::promise<void> reached, go_on;
  Start([&, first = true](auto, auto) mutable {
    if (std::exchange(first, false)) {
      reached.set_value();
      go_on.get_future().wait();
    }
    return absl::OkStatus();
  });
  Stream stream(*stub_);
  auto opened = std::async(std::launch::async, [&] { return stream.Ask(OpenRequest({1, 2, 3})); });
  reached.get_future().wait();
  clock_.Advance(absl::Hours(1));
  service_->EndIdleStreams();
  go_on.set_value();
  EXPECT_THAT(opened.get(), IsOk());
  EXPECT_THAT(stream.Ask(StepRequest(3)), IsOk());
}

TEST_F(VerifierServiceTest, ShuttingDownEndsAStreamInAPass) {
  std::promise<void> reached;
  Start(Stuck(reached));
  Stream stream(*stub_);
  ASSERT_TRUE(stream.Write(OpenRequest({1, 2, 3})));
  reached.get_future().wait();
  server_->Shutdown(absl::ZeroDuration());
  EXPECT_EQ(scheduler_->load().open_sequences, 0u);
  EXPECT_FALSE(stream.End().ok());
}

TEST_F(VerifierServiceTest, UnaryVerifyGivesTheAnswersOfTheStream) {
  for (const bool in_process : {false, true}) {
    Start({}, in_process);
    const std::vector<TokenId> truth = Generate(OpenRequest({1, 2}), 3);
    v1::VerifyRequest request;
    *request.mutable_open() = OpenRequest({1}).open();
    request.mutable_open()->add_generated_ids(2);
    DraftTree tree = DraftTree::Root(2, 2);
    tree.tokens = {2, truth[0], truth[1]};
    tree.parents = {-1, 0, 1};
    *request.mutable_verify() = StepRequest(tree, 0).verify();
    const auto response = Verify(request);
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ(response->opened().base(), 2u);
    EXPECT_EQ(response->verified().base(), 2u);
    EXPECT_EQ(response->verified().step(), 7u);
    EXPECT_THAT(response->verified().tokens(), ElementsAre(truth[0], truth[1], truth[2]));
    EXPECT_EQ(scheduler_->load().open_sequences, 0u);

    request.mutable_verify()->set_base(9);
    EXPECT_THAT(Verify(request), StatusIs(absl::StatusCode::kFailedPrecondition));
    request.mutable_open()->clear_prompt_ids();
    EXPECT_THAT(Verify(request), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_THAT(Verify({}), StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(scheduler_->load().open_sequences, 0u);
  }
}

TEST_F(VerifierServiceTest, CancellingUnaryVerifyInAPassFreesItsSlot) {
  std::promise<void> reached;
  Start(Stuck(reached));
  grpc::ClientContext context;
  auto status = std::async(std::launch::async, [&] {
    v1::VerifyRequest request;
    *request.mutable_open() = OpenRequest({1, 2, 3}).open();
    v1::VerifyResponse response;
    return stub_->Verify(&context, request, &response);
  });
  reached.get_future().wait();
  context.TryCancel();
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::CANCELLED);
  WaitUntilFree();
}

TEST_F(VerifierServiceTest, ADrainingVerifierRefusesUnaryVerifyAsItRefusesAStream) {
  service_->Drain(absl::ZeroDuration());
  v1::VerifyRequest request;
  *request.mutable_open() = OpenRequest({1, 2}).open();
  const auto refused = StatusIs(absl::StatusCode::kUnavailable, HasSubstr("drains"));
  EXPECT_THAT(Stream(*stub_).Ask(OpenRequest({1, 2})), refused);
  EXPECT_THAT(Verify(request), refused);
}

TEST_F(VerifierServiceTest, ADrainCancelsUnaryVerifyAfterTheGrace) {
  std::promise<void> reached;
  Start(Stuck(reached));
  auto status = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    // The test gets here only if the verifier did not cancel the call.
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    v1::VerifyRequest request;
    *request.mutable_open() = OpenRequest({1, 2, 3}).open();
    v1::VerifyResponse response;
    return stub_->Verify(&context, request, &response);
  });
  reached.get_future().wait();
  service_->Drain(absl::ZeroDuration());
  EXPECT_EQ(status.get().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(VerifierServiceTest, SequencesTogetherGiveTheSameTokensAsEachAlone) {
  constexpr std::size_t kTokens = 40;
  std::vector<v1::DecodeRequest> requests;
  std::vector<std::vector<TokenId>> alone;
  for (std::uint32_t i = 0; i < kSlots; ++i) {
    requests.push_back(OpenRequest(std::vector<TokenId>(5 + 5 * i, i)));
    auto* sampling = requests.back().mutable_open()->mutable_sampling();
    sampling->set_temperature(i % 2 == 0 ? 0.0f : 0.9f);
    sampling->set_seed(i);
    sampling->set_frequency_penalty(0.1f);
    alone.push_back(Generate(requests.back(), kTokens));
  }
  std::vector<std::future<std::vector<TokenId>>> together;
  for (std::uint32_t i = 0; i < kSlots; ++i) {
    together.push_back(std::async(std::launch::async, [&, i] {
      std::mt19937 random(i);
      const auto prompt = static_cast<std::size_t>(requests[i].open().prompt_ids_size());
      return GenerateTokens(*stub_, requests[i], kTokens,
                            RandomTrees(prompt, alone[i], kVocab, random));
    }));
  }
  for (std::size_t i = 0; i < together.size(); ++i) EXPECT_EQ(together[i].get(), alone[i]);
}

}  // namespace
}  // namespace recycling::verifier
