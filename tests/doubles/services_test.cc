// Tests the fake services through real gRPC clients.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>

#include "common/rpc/rpc_server.h"
#include "common/rpc/tokenizer_proto.h"
#include "tests/doubles/fake_drafter_service.h"
#include "tests/doubles/fake_verifier_service.h"
#include "tests/doubles/matchers.h"
#include "tests/doubles/proto_matchers.h"

namespace recycling::doubles {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

namespace vpb = verifier::v1;
namespace dpb = drafter::v1;

std::unique_ptr<RpcServer> Serve(grpc::Service& service) {
  auto server = RpcServer::Start({}, {&service}, {});
  EXPECT_THAT(server, IsOk());
  return *std::move(server);
}

// A Decode stream and its last answer.
struct Sequence {
  explicit Sequence(const std::shared_ptr<grpc::Channel>& channel)
      : stub(vpb::VerifierService::NewStub(channel)), stream(stub->Decode(&context)) {}

  bool Say(const std::string& request) {
    return stream->Write(ParseProto<vpb::DecodeRequest>(request)) && stream->Read(&response);
  }

  grpc::ClientContext context;
  std::unique_ptr<vpb::VerifierService::Stub> stub;
  std::unique_ptr<grpc::ClientReaderWriter<vpb::DecodeRequest, vpb::DecodeResponse>> stream;
  vpb::DecodeResponse response;
};

struct Drafts {
  explicit Drafts(const std::shared_ptr<grpc::Channel>& channel, const ModelIdentity& model)
      : stub(dpb::DrafterService::NewStub(channel)), stream(stub->Draft(&context)) {
    dpb::DraftRequest open;
    auto* proto = open.mutable_open()->mutable_model();
    proto->set_model_id(model.model_id);
    proto->set_vocab_size(model.vocab_size);
    proto->set_tokenizer_digest(model.tokenizer_digest);
    open.mutable_open()->set_k(8);
    open.mutable_open()->set_tenant("default");
    stream->Write(open);
  }

  bool Write(const std::string& step) {
    return stream->Write(ParseProto<dpb::DraftRequest>("step { " + step + " }"));
  }
  bool Ask(const std::string& step) { return Write(step) && stream->Read(&response); }

  grpc::ClientContext context;
  std::unique_ptr<dpb::DrafterService::Stub> stub;
  std::unique_ptr<grpc::ClientReaderWriter<dpb::DraftRequest, dpb::DraftResponse>> stream;
  dpb::DraftResponse response;
};

TEST(FakeVerifierServiceTest, HandshakeAndTokenizerDescribeTheToyModel) {
  FakeVerifierService service;
  const auto server = Serve(service);
  const auto stub = vpb::VerifierService::NewStub(server->InProcessChannel());
  grpc::ClientContext handshake_context;
  vpb::HandshakeResponse handshake;
  ASSERT_TRUE(stub->Handshake(&handshake_context, {}, &handshake).ok());
  EXPECT_EQ(handshake.model().vocab_size(), 320u);
  EXPECT_EQ(handshake.protocol_version(), 1u);

  grpc::ClientContext context;
  const auto reader = stub->GetTokenizer(&context, {});
  TokenizerDataJoiner joiner;
  vpb::GetTokenizerResponse piece;
  int pieces = 0;
  for (; reader->Read(&piece); ++pieces) EXPECT_THAT(joiner.Append(piece.chunk()), IsOk());
  ASSERT_TRUE(reader->Finish().ok());
  EXPECT_GT(pieces, 1);
  const auto data = joiner.Finish();
  EXPECT_THAT(data, IsOkAndHolds(ToyModel().MakeTokenizerData()));
  EXPECT_EQ(TokenizerDigest(*data), handshake.model().tokenizer_digest());
}

TEST(FakeVerifierServiceTest, DecodesTheToyLanguageAndFreesTheSlot) {
  FakeVerifierService service;
  const auto server = Serve(service);
  const auto expected = ToyModel().Continue({5, 6}, 2);
  {
    Sequence sequence(server->InProcessChannel());
    ASSERT_TRUE(sequence.Say("open { prompt_ids: [5, 6] want_candidates: true }"));
    EXPECT_EQ(sequence.response.opened().base(), 2u);
    EXPECT_EQ(service.fake().open_sequences(), 1);
    ASSERT_TRUE(sequence.Say("verify { step: 0 base: 2 }"));
    EXPECT_EQ(sequence.response.verified().tokens(0), expected[0]);
    EXPECT_EQ(sequence.response.verified().candidates().ids_size(), 8);
    ASSERT_TRUE(
        sequence.Say("verify { step: 1 base: 3 tree { base: 2 root: 6 tokens: 9 parents: 0 } }"));
    EXPECT_EQ(sequence.response.verified().tokens(0), expected[1]);
    EXPECT_TRUE(sequence.response.verified().draft_ignored());
    sequence.stream->WritesDone();
    EXPECT_TRUE(sequence.stream->Finish().ok());
  }
  server->Shutdown(absl::InfiniteDuration());
  EXPECT_EQ(service.fake().open_sequences(), 0);
}

TEST(FakeVerifierServiceTest, TheUnaryVerifyAnswersLikeTheStream) {
  FakeVerifierService service;
  const auto server = Serve(service);
  const auto stub = vpb::VerifierService::NewStub(server->InProcessChannel());
  grpc::ClientContext context;
  vpb::VerifyResponse response;
  const auto request =
      ParseProto<vpb::VerifyRequest>("open { prompt_ids: [5, 6] } verify { step: 4 }");
  ASSERT_TRUE(stub->Verify(&context, request, &response).ok());
  EXPECT_THAT(response.verified().tokens(), ElementsAreArray(ToyModel().Continue({5, 6}, 1)));
  EXPECT_EQ(response.verified().step(), 4u);
}

TEST(FakeVerifierServiceTest, FaultsAreThoseOfARealService) {
  std::atomic<VerifierFault> fault = VerifierFault::kError;
  FakeVerifierService service({.fault = [&](std::uint64_t) { return fault.load(); }});
  const auto server = Serve(service);
  const auto fail = [&](VerifierFault which) {
    fault = which;
    Sequence sequence(server->InProcessChannel());
    EXPECT_TRUE(sequence.Say("open { prompt_ids: 5 }"));
    EXPECT_TRUE(sequence.stream->Write(ParseProto<vpb::DecodeRequest>("verify { base: 1 }")));
    if (which == VerifierFault::kSilent) sequence.context.TryCancel();
    EXPECT_FALSE(sequence.stream->Read(&sequence.response));
    return sequence.stream->Finish().error_code();
  };
  EXPECT_EQ(fail(VerifierFault::kError), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(fail(VerifierFault::kDropped), grpc::StatusCode::OK);
  EXPECT_EQ(fail(VerifierFault::kSilent), grpc::StatusCode::CANCELLED);
}

TEST(FakeDrafterServiceTest, DraftsTheTokensThatTheVerifierChooses) {
  FakeDrafterService service;
  const auto server = Serve(service);
  Drafts drafts(server->InProcessChannel(), ToyModel().Identity());
  ASSERT_TRUE(drafts.Write("step: 0"));  // without a proposal, so the drafter does not answer
  ASSERT_TRUE(drafts.Ask("step: 1 proposal { base: 2 root: 6 max_nodes: 2 max_depth: 1 }"));
  EXPECT_EQ(drafts.response.step(), 1u);
  EXPECT_THAT(drafts.response.tree().tokens(), ElementsAreArray(ToyModel().TopK(6, 1, 2)));
  drafts.stream->WritesDone();
  EXPECT_TRUE(drafts.stream->Finish().ok());
}

TEST(FakeDrafterServiceTest, RefusesAnotherModelOrKUnlessAnyModelIsSet) {
  FakeDrafterService service;
  const auto server = Serve(service);
  const auto stub = dpb::DrafterService::NewStub(server->InProcessChannel());
  const auto handshake = [&](const std::string& request) {
    grpc::ClientContext context;
    dpb::HandshakeResponse response;
    return stub->Handshake(&context, ParseProto<dpb::HandshakeRequest>(request), &response);
  };
  const grpc::Status other = handshake("model { model_id: 'other' vocab_size: 320 } k: 8");
  EXPECT_EQ(other.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(other.error_message(), HasSubstr("other"));
  EXPECT_EQ(handshake("k: 4").error_code(), grpc::StatusCode::FAILED_PRECONDITION);

  ModelIdentity identity = ToyModel().Identity();
  identity.vocab_size = 20;
  {
    Drafts refused(server->InProcessChannel(), identity);
    EXPECT_FALSE(refused.stream->Read(&refused.response));
    EXPECT_EQ(refused.stream->Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  }
  FakeDrafterService stranger({.fault = [](std::uint64_t) { return DraftFault::kUnknownToken; }});
  stranger.set_any_model();
  const auto stranger_server = Serve(stranger);
  Drafts drafts(stranger_server->InProcessChannel(), identity);
  ASSERT_TRUE(drafts.Ask("step: 0 proposal { base: 2 root: 6 max_nodes: 2 max_depth: 1 }"));
  EXPECT_EQ(drafts.response.tree().tokens(0), 20u);
}

TEST(FakeDrafterServiceTest, FaultsAreThoseOfARealService) {
  std::atomic<DraftFault> fault = DraftFault::kNone;
  FakeDrafterService service(
      {.fault = [&](std::uint64_t step) { return step == 0 ? fault.load() : DraftFault::kNone; }});
  const auto server = Serve(service);
  const std::string proposal = "proposal { base: 2 root: 6 max_nodes: 3 max_depth: 2 }";
  const auto fail = [&](DraftFault which) {
    fault = which;
    Drafts drafts(server->InProcessChannel(), ToyModel().Identity());
    EXPECT_FALSE(drafts.Ask("step: 0 " + proposal));
    return drafts.stream->Finish().error_code();
  };
  EXPECT_EQ(fail(DraftFault::kError), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(fail(DraftFault::kMismatch), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(fail(DraftFault::kDropped), grpc::StatusCode::OK);

  const auto answer = [&](DraftFault which) {
    fault = which;
    Drafts drafts(server->InProcessChannel(), ToyModel().Identity());
    EXPECT_TRUE(drafts.Ask("step: 0 " + proposal));
    return drafts.response;
  };
  EXPECT_EQ(answer(DraftFault::kStale).tree().base(), 1u);
  EXPECT_FALSE(answer(DraftFault::kNoTree).has_tree());
  EXPECT_EQ(answer(DraftFault::kTooManyNodes).tree().tokens_size(), 4);
  EXPECT_EQ(answer(DraftFault::kNegativeParent).tree().parents(0), static_cast<std::uint32_t>(-7));
  const auto lengths = answer(DraftFault::kLengthsDiffer);
  EXPECT_NE(lengths.tree().tokens_size(), lengths.tree().parents_size());

  fault = DraftFault::kSilent;
  Drafts drafts(server->InProcessChannel(), ToyModel().Identity());
  ASSERT_TRUE(drafts.Write("step: 0 " + proposal));
  ASSERT_TRUE(drafts.Ask("step: 1 " + proposal));
  EXPECT_EQ(drafts.response.step(), 1u);
}

}  // namespace
}  // namespace recycling::doubles
