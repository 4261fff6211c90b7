// The drafter's wire promise, over real gRPC on a loopback port.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc_server.h"
#include "common/status_grpc.h"
#include "drafter/drafter_server.h"
#include "recycling/drafter/v1/drafter.grpc.pb.h"
#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

namespace fs = std::filesystem;

using common::v1::MATRIX_SCOPE_REQUEST;
using common::v1::MATRIX_SCOPE_SHARED;
using common::v1::MATRIX_SCOPE_TENANT;
using common::v1::MATRIX_SCOPE_UNSPECIFIED;
using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kVocab = 100;
constexpr std::uint32_t kK = 2;
constexpr std::uint64_t kMatrixBytes = kVocab * (8 + 4 * kK);

void SetModel(common::v1::ModelIdentity* model, const std::string& id = "m") {
  model->set_model_id(id);
  model->set_vocab_size(kVocab);
  model->set_tokenizer_digest(std::string(32, 'd'));
}

v1::OpenSession Session(common::v1::MatrixScope scope = MATRIX_SCOPE_TENANT,
                        const std::string& tenant = "a") {
  v1::OpenSession open;
  SetModel(open.mutable_model());
  open.set_k(kK);
  open.set_tenant(tenant);
  open.set_scope(scope);
  return open;
}

v1::Observation Rows(const std::vector<std::uint32_t>& tokens,
                     const std::vector<std::uint32_t>& candidates,
                     const std::vector<std::uint32_t>& path = {0}) {
  v1::Observation observation;
  observation.mutable_tokens()->Add(tokens.begin(), tokens.end());
  observation.mutable_candidates()->set_k(kK);
  observation.mutable_candidates()->mutable_ids()->Add(candidates.begin(), candidates.end());
  observation.mutable_accepted_path()->Add(path.begin(), path.end());
  return observation;
}

v1::Proposal Ask(std::uint32_t root, std::uint32_t max_nodes = 80, std::uint32_t max_depth = 6) {
  v1::Proposal proposal;
  proposal.set_base(7);
  proposal.set_root(root);
  proposal.set_max_nodes(max_nodes);
  proposal.set_max_depth(max_depth);
  return proposal;
}

class DrafterServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { Start({.drafter_id = "d1", .allow_shared = true}); }
  void TearDown() override {
    Stop();
    if (!directory_.empty()) fs::remove_all(directory_);
  }

  void Start(const DrafterOptions& options) {
    Stop();
    auto drafter = CreateDrafter(options);
    ASSERT_THAT(drafter, IsOk());
    drafter_ = *std::move(drafter);
    auto server =
        RpcServer::Start({.listen = {"127.0.0.1:0"}}, {drafter_->service()}, {kDrafterServiceName});
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    stub_ = v1::DrafterService::NewStub(
        grpc::CreateChannel(server_->addresses()[0], grpc::InsecureChannelCredentials()));
  }
  void Stop() {
    stub_.reset();
    server_.reset();
    drafter_.reset();
  }

  const std::string& Directory() {
    if (directory_.empty()) {
      directory_ = ::testing::TempDir() + "/drafter_service_test.XXXXXX";
      EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    }
    return directory_;
  }

  absl::Status Handshake(v1::HandshakeResponse* response, const std::string& model = "m",
                         std::uint32_t k = kK, std::uint32_t version = 1) {
    v1::HandshakeRequest request;
    SetModel(request.mutable_model(), model);
    request.set_k(k);
    request.set_protocol_version(version);
    grpc::ClientContext context;
    return FromGrpcStatus(stub_->Handshake(&context, request, response));
  }

  absl::Status Observe(const v1::OpenSession& session, const v1::Observation& observation) {
    v1::ObserveRequest request;
    *request.mutable_session() = session;
    *request.mutable_observation() = observation;
    v1::ObserveResponse response;
    grpc::ClientContext context;
    return FromGrpcStatus(stub_->Observe(&context, request, &response));
  }

  absl::StatusOr<common::v1::DraftTree> Propose(const v1::OpenSession& session,
                                                const v1::Proposal& proposal) {
    v1::ProposeRequest request;
    *request.mutable_session() = session;
    *request.mutable_proposal() = proposal;
    v1::ProposeResponse response;
    grpc::ClientContext context;
    const absl::Status status = FromGrpcStatus(stub_->Propose(&context, request, &response));
    if (!status.ok()) return status;
    return response.tree();
  }

  v1::GetMatrixInfoResponse Info() {
    v1::GetMatrixInfoResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->GetMatrixInfo(&context, {}, &response).ok());
    return response;
  }

  // The chunks, or the error.
  absl::StatusOr<std::vector<std::string>> Save(common::v1::MatrixScope scope,
                                                const std::string& tenant) {
    v1::SaveMatrixRequest request;
    request.set_scope(scope);
    request.set_tenant(tenant);
    grpc::ClientContext context;
    const auto stream = stub_->SaveMatrix(&context, request);
    std::vector<std::string> chunks;
    v1::SaveMatrixResponse response;
    while (stream->Read(&response)) chunks.push_back(response.chunk());
    const absl::Status status = FromGrpcStatus(stream->Finish());
    if (!status.ok()) return status;
    return chunks;
  }

  absl::Status Load(const std::vector<v1::LoadMatrixRequest>& parts,
                    v1::LoadMatrixResponse* response) {
    grpc::ClientContext context;
    const auto stream = stub_->LoadMatrix(&context, response);
    for (const v1::LoadMatrixRequest& part : parts) {
      if (!stream->Write(part)) break;
    }
    stream->WritesDone();
    return FromGrpcStatus(stream->Finish());
  }
  absl::Status Load(const std::vector<v1::LoadMatrixRequest>& parts) {
    v1::LoadMatrixResponse response;
    return Load(parts, &response);
  }

  static v1::LoadMatrixRequest Target(common::v1::MatrixScope scope, const std::string& tenant) {
    v1::LoadMatrixRequest request;
    request.mutable_target()->set_scope(scope);
    request.mutable_target()->set_tenant(tenant);
    return request;
  }
  static v1::LoadMatrixRequest Chunk(const std::string& bytes) {
    v1::LoadMatrixRequest request;
    request.set_chunk(bytes);
    return request;
  }

  std::unique_ptr<DrafterServer> drafter_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::DrafterService::Stub> stub_;
  std::string directory_;
};

// A Draft stream opened with `open`.
class Stream {
 public:
  Stream(v1::DrafterService::Stub* stub, const v1::OpenSession& open)
      : stream_(stub->Draft(&context_)) {
    v1::DraftRequest request;
    *request.mutable_open() = open;
    stream_->Write(request);
  }

  void Send(const v1::DraftRequest& request) { stream_->Write(request); }
  void Send(std::uint64_t step, const v1::Observation* observation, const v1::Proposal* proposal) {
    v1::DraftRequest request;
    request.mutable_step()->set_step(step);
    if (observation != nullptr) *request.mutable_step()->mutable_observation() = *observation;
    if (proposal != nullptr) *request.mutable_step()->mutable_proposal() = *proposal;
    Send(request);
  }
  v1::DraftResponse Read() {
    v1::DraftResponse response;
    EXPECT_TRUE(stream_->Read(&response));
    return response;
  }
  // Expects no further answer.
  absl::Status Finish() {
    stream_->WritesDone();
    v1::DraftResponse response;
    EXPECT_FALSE(stream_->Read(&response));
    return FromGrpcStatus(stream_->Finish());
  }

  grpc::ClientContext& context() { return context_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::DraftRequest, v1::DraftResponse>> stream_;
};

TEST_F(DrafterServiceTest, HandshakeSaysWhoAndWithinWhichLimits) {
  v1::HandshakeResponse response;
  ASSERT_THAT(Handshake(&response), IsOk());
  EXPECT_EQ(response.drafter_id(), "d1");
  EXPECT_EQ(response.max_tree_nodes(), 80u);
  EXPECT_EQ(response.tree_template(), "paper-80");
  EXPECT_EQ(response.protocol_version(), 1u);
  EXPECT_TRUE(response.shared_scope_allowed());
  EXPECT_FALSE(response.build().empty());
}

TEST_F(DrafterServiceTest, HandshakeRefusesAnotherModelKOrProtocol) {
  v1::HandshakeResponse response;
  EXPECT_THAT(Handshake(&response, "m", kK, 2), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                         HasSubstr("protocol_version: got 2")));
  EXPECT_THAT(Handshake(&response, "m", 65), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Handshake(&response, ""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_FALSE(Info().has_model());
  ASSERT_THAT(Handshake(&response), IsOk());
  EXPECT_THAT(Handshake(&response, "n"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("model_id: got \"n\"")));
  EXPECT_THAT(Handshake(&response, "m", 3), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(Info().model().model_id(), "m");
  EXPECT_EQ(Info().k(), kK);
}

TEST_F(DrafterServiceTest, AStreamLearnsAndAnswersEveryStepThatAsks) {
  Stream stream(stub_.get(), Session());
  const v1::Proposal ask = Ask(1);
  stream.Send(0, nullptr, &ask);
  v1::DraftResponse first = stream.Read();
  EXPECT_EQ(first.step(), 0u);
  EXPECT_EQ(first.tree().base(), 7u);
  EXPECT_EQ(first.tree().root(), 1u);
  EXPECT_THAT(first.tree().tokens(), IsEmpty());
  // A step without a proposal teaches and is not answered.
  const v1::Observation seen = Rows({1, 2}, {2, 3, 4, 5}, {0, 1});
  stream.Send(1, &seen, nullptr);
  stream.Send(2, nullptr, &ask);
  const v1::DraftResponse second = stream.Read();
  EXPECT_EQ(second.step(), 2u);
  EXPECT_THAT(second.tree().tokens(), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(second.tree().parents(), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(second.tree().ranks(), ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(second.tree().sources(),
              ElementsAre(common::v1::DRAFT_SOURCE_MATRIX, common::v1::DRAFT_SOURCE_MATRIX,
                          common::v1::DRAFT_SOURCE_MATRIX, common::v1::DRAFT_SOURCE_MATRIX));
  // Learning comes before the proposal of the same step.
  const v1::Observation changed = Rows({1}, {9, 8});
  const v1::Proposal two = Ask(1, 2);
  stream.Send(3, &changed, &two);
  EXPECT_THAT(stream.Read().tree().tokens(), ElementsAre(9, 8));
  EXPECT_THAT(stream.Finish(), IsOk());
}

TEST_F(DrafterServiceTest, LimitsCutTheTree) {
  ASSERT_THAT(Observe(Session(), Rows({1, 2}, {2, 3, 4, 5})), IsOk());
  EXPECT_THAT(Propose(Session(), Ask(1, 0))->tokens(), IsEmpty());
  EXPECT_THAT(Propose(Session(), Ask(1, 80, 0))->tokens(), IsEmpty());
  EXPECT_THAT(Propose(Session(), Ask(1, 80, 1))->tokens(), ElementsAre(2, 3));
  EXPECT_THAT(Propose(Session(), Ask(1, 3))->tokens(), ElementsAre(2, 3, 4));
  EXPECT_THAT(Propose(Session(), Ask(1, 0xffffffff, 0xffffffff))->tokens(),
              ElementsAre(2, 3, 4, 5));
}

TEST_F(DrafterServiceTest, LearnsAPromptBeforeTheFirstStep) {
  Stream stream(stub_.get(), Session(MATRIX_SCOPE_REQUEST));
  v1::DraftRequest request;
  auto* const step = request.mutable_step();
  step->mutable_prompt()->add_tokens(1);
  step->mutable_prompt()->mutable_candidates()->set_k(kK);
  step->mutable_prompt()->mutable_candidates()->add_ids(4);
  step->mutable_prompt()->mutable_candidates()->add_ids(5);
  *step->mutable_proposal() = Ask(1);
  stream.Send(request);
  EXPECT_THAT(stream.Read().tree().tokens(), ElementsAre(4, 5));
  EXPECT_THAT(stream.Finish(), IsOk());
}

TEST_F(DrafterServiceTest, NothingOfAMalformedStepIsLearnt) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::vector<std::pair<v1::Observation, std::string>> malformed = {
      {Rows({1, kVocab}, {8, 9, 8, 9}), "got token id 100"},
      {Rows({1, 2}, {8, 9, 8, kVocab}), "got token id 100"},
      {Rows({1, 2}, {8, 9, 8, 8}), "twice in row 1"},
      {Rows({1, 2}, {8, 9, 8}), "got 3 ids, expected 2 rows of 2"},
      {Rows({1}, {8, 9}, {1}), "accepted_path: got row 1"},
      {Rows({1, 2}, {8, 9, 8, 9}, {0, 1, 1}), "accepted_path: got row 1"},
      {Rows({}, {}, {}), "got no rows"}};
  for (const auto& [observation, message] : malformed) {
    EXPECT_THAT(Observe(Session(), observation),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
    Stream stream(stub_.get(), Session());
    stream.Send(0, &observation, nullptr);
    EXPECT_THAT(stream.Finish(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
  v1::Observation other_k = Rows({1}, {8, 9, 7});
  other_k.mutable_candidates()->set_k(3);
  EXPECT_THAT(Observe(Session(), other_k),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got k 3, expected 2")));
  // A bad proposal beside a good observation.
  Stream stream(stub_.get(), Session());
  const v1::Observation good = Rows({1}, {8, 9});
  const v1::Proposal bad = Ask(kVocab);
  stream.Send(0, &good, &bad);
  EXPECT_THAT(stream.Finish(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got root 100")));
  v1::Proposal no_base = Ask(1);
  no_base.set_base(0);
  EXPECT_THAT(Propose(Session(), no_base),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got base 0")));
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
  EXPECT_EQ(Info().matrices(0).row_updates(), 2u);
}

TEST_F(DrafterServiceTest, ARefusedOpenEndsTheStreamWithItsStatus) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const auto refused = [&](const v1::OpenSession& open) {
    return Stream(stub_.get(), open).Finish();
  };
  v1::OpenSession open = Session();
  SetModel(open.mutable_model(), "n");
  EXPECT_THAT(refused(open), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Propose(open, Ask(1)), StatusIs(absl::StatusCode::kFailedPrecondition));
  open = Session();
  open.set_k(3);
  EXPECT_THAT(refused(open), StatusIs(absl::StatusCode::kFailedPrecondition));
  for (const std::string& tenant : {std::string(), std::string(129, 'x')}) {
    EXPECT_THAT(refused(Session(MATRIX_SCOPE_TENANT, tenant)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tenant")));
    EXPECT_THAT(refused(Session(MATRIX_SCOPE_REQUEST, tenant)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tenant")));
  }
  EXPECT_THAT(refused(Session(static_cast<common::v1::MatrixScope>(17))),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("scope: got 17")));
  EXPECT_THAT(refused({}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(Info().open_sessions(), 0u);
}

TEST_F(DrafterServiceTest, MessagesOutOfOrderAreMalformed) {
  Stream twice(stub_.get(), Session());
  v1::DraftRequest request;
  *request.mutable_open() = Session();
  twice.Send(request);
  EXPECT_THAT(twice.Finish(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("second open")));
  Stream empty(stub_.get(), Session());
  empty.Send(v1::DraftRequest());
  EXPECT_THAT(empty.Finish(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty message")));
  grpc::ClientContext context;
  const auto stream = stub_->Draft(&context);
  request.mutable_step()->set_step(0);
  stream->Write(request);
  stream->WritesDone();
  EXPECT_THAT(FromGrpcStatus(stream->Finish()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no open")));
}

TEST_F(DrafterServiceTest, ScopesAreApart) {
  ASSERT_THAT(Observe(Session(MATRIX_SCOPE_UNSPECIFIED, "a"), Rows({1}, {2, 3})), IsOk());
  ASSERT_THAT(Observe(Session(MATRIX_SCOPE_SHARED, "a"), Rows({1}, {4, 5})), IsOk());
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "a"), Ask(1))->tokens(), ElementsAre(2, 3));
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "b"), Ask(1))->tokens(), IsEmpty());
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_SHARED, "b"), Ask(1))->tokens(), ElementsAre(4, 5));
  Stream stream(stub_.get(), Session(MATRIX_SCOPE_REQUEST, "a"));
  const v1::Proposal ask = Ask(1);
  stream.Send(0, nullptr, &ask);
  EXPECT_THAT(stream.Read().tree().tokens(), IsEmpty());
  EXPECT_EQ(Info().matrices(0).scope(), MATRIX_SCOPE_REQUEST);
  EXPECT_EQ(Info().open_sessions(), 1u);
  EXPECT_THAT(stream.Finish(), IsOk());
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_REQUEST), Ask(1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got REQUEST")));
  EXPECT_THAT(Observe(Session(MATRIX_SCOPE_REQUEST), Rows({1}, {2, 3})),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DrafterServiceTest, TheSharedScopeNeedsTheOperator) {
  Start({.drafter_id = "d1"});
  v1::HandshakeResponse response;
  ASSERT_THAT(Handshake(&response), IsOk());
  EXPECT_FALSE(response.shared_scope_allowed());
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_SHARED), Ask(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("shared")));
  EXPECT_THAT(Save(MATRIX_SCOPE_SHARED, ""), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Load({Target(MATRIX_SCOPE_SHARED, "")}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(DrafterServiceTest, MatricesInUseFillTheBound) {
  Start({.drafter_id = "d1", .max_matrix_bytes = 2 * kMatrixBytes});
  Stream first(stub_.get(), Session(MATRIX_SCOPE_TENANT, "a"));
  Stream second(stub_.get(), Session(MATRIX_SCOPE_REQUEST, "b"));
  const v1::Proposal ask = Ask(1);
  for (Stream* stream : {&first, &second}) {
    stream->Send(0, nullptr, &ask);
    stream->Read();
  }
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "c"), Ask(1)),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(Info().bytes(), 2 * kMatrixBytes);
  EXPECT_THAT(first.Finish(), IsOk());
  EXPECT_THAT(second.Finish(), IsOk());
}

TEST_F(DrafterServiceTest, ACancelledStreamFreesItsMatrix) {
  Stream stream(stub_.get(), Session(MATRIX_SCOPE_REQUEST));
  const v1::Proposal ask = Ask(1);
  stream.Send(0, nullptr, &ask);
  stream.Read();
  EXPECT_EQ(Info().open_sessions(), 1u);
  stream.context().TryCancel();
  EXPECT_THAT(stream.Finish(), StatusIs(absl::StatusCode::kCancelled));
  // The client knows before the server does: ask until it has caught up.
  while (Info().open_sessions() != 0) std::this_thread::yield();
  EXPECT_THAT(Info().matrices(), IsEmpty());
  EXPECT_EQ(Info().bytes(), 0u);
}

TEST_F(DrafterServiceTest, InfoSaysEverythingHeld) {
  EXPECT_FALSE(Info().has_model());
  ASSERT_THAT(Observe(Session(MATRIX_SCOPE_TENANT, "a"), Rows({1, 2}, {2, 3, 4, 5})), IsOk());
  ASSERT_THAT(Observe(Session(MATRIX_SCOPE_SHARED, "a"), Rows({1}, {2, 3})), IsOk());
  const v1::GetMatrixInfoResponse info = Info();
  EXPECT_EQ(info.drafter_id(), "d1");
  EXPECT_EQ(info.model().vocab_size(), kVocab);
  EXPECT_EQ(info.k(), kK);
  EXPECT_EQ(info.bytes(), 2 * kMatrixBytes);
  EXPECT_EQ(info.max_bytes(), 256u << 20);
  ASSERT_EQ(info.matrices_size(), 2);
  EXPECT_EQ(info.matrices(0).scope(), MATRIX_SCOPE_SHARED);
  EXPECT_EQ(info.matrices(0).tenant(), "");
  EXPECT_EQ(info.matrices(1).scope(), MATRIX_SCOPE_TENANT);
  EXPECT_EQ(info.matrices(1).tenant(), "a");
  EXPECT_EQ(info.matrices(1).rows_filled(), 2u);
  EXPECT_EQ(info.matrices(1).row_updates(), 3u);
  EXPECT_EQ(info.matrices(1).bytes(), kMatrixBytes);
}

TEST_F(DrafterServiceTest, ASavedMatrixLoadsElsewhere) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const auto saved = Save(MATRIX_SCOPE_TENANT, "a");
  ASSERT_THAT(saved, IsOk());
  ASSERT_EQ(saved->size(), 1u);
  Start({.drafter_id = "d2"});
  v1::LoadMatrixResponse response;
  // In pieces of any size, also empty ones.
  const std::string& bytes = saved->front();
  ASSERT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "b"), Chunk(bytes.substr(0, 1)), Chunk(""),
                    Chunk(bytes.substr(1))},
                   &response),
              IsOk());
  EXPECT_EQ(response.matrix().tenant(), "b");
  EXPECT_EQ(response.matrix().rows_filled(), 1u);
  EXPECT_EQ(Info().model().model_id(), "m");
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "b"), Ask(1))->tokens(), ElementsAre(2, 3));
  EXPECT_THAT(*Save(MATRIX_SCOPE_TENANT, "b"), ElementsAre(bytes));
}

TEST_F(DrafterServiceTest, ALargeMatrixTravelsInChunksOfAMebibyte) {
  v1::OpenSession open = Session();
  open.mutable_model()->set_vocab_size(150'000);
  const std::size_t rows = 100'000;
  std::vector<std::uint32_t> tokens, candidates;
  for (std::uint32_t i = 0; i < rows; ++i) {
    tokens.push_back(i);
    candidates.insert(candidates.end(), {i, i + 1});
  }
  ASSERT_THAT(Observe(open, Rows(tokens, candidates)), IsOk());
  const auto saved = Save(MATRIX_SCOPE_TENANT, "a");
  ASSERT_THAT(saved, IsOk());
  ASSERT_EQ(saved->size(), 2u);
  EXPECT_EQ(saved->at(0).size(), 1u << 20);
  std::vector<v1::LoadMatrixRequest> parts = {Target(MATRIX_SCOPE_TENANT, "b")};
  for (const std::string& chunk : *saved) parts.push_back(Chunk(chunk));
  v1::LoadMatrixResponse response;
  ASSERT_THAT(Load(parts, &response), IsOk());
  EXPECT_EQ(response.matrix().rows_filled(), rows);
}

TEST_F(DrafterServiceTest, SaveNamesWhatIsWrong) {
  EXPECT_THAT(Save(MATRIX_SCOPE_TENANT, "a"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Save(MATRIX_SCOPE_SHARED, ""), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Save(MATRIX_SCOPE_REQUEST, "a"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Save(MATRIX_SCOPE_SHARED, "a"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Save(MATRIX_SCOPE_TENANT, ""), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DrafterServiceTest, ABadLoadLeavesTheMatrixUntouched) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::string good = Save(MATRIX_SCOPE_TENANT, "a")->front();
  ASSERT_THAT(Observe(Session(), Rows({1}, {4, 5})), IsOk());
  const v1::LoadMatrixRequest target = Target(MATRIX_SCOPE_TENANT, "a");
  std::string bad = good;
  bad[30] ^= 1;
  EXPECT_THAT(Load({target, Chunk(bad)}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Load({target, Chunk(good.substr(0, good.size() - 1))}),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Load({target}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Load({}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Load({Chunk(good)}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Load({target, target}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("second target")));
  EXPECT_THAT(Load({target, v1::LoadMatrixRequest()}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Load({Target(MATRIX_SCOPE_REQUEST, "a")}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "")}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Load({target, Chunk(std::string((1 << 20) + 1, 'x'))}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 1048576")));
  EXPECT_THAT(
      Load({target, Chunk(std::string(kMatrixBytes + 1025, 'x'))}),
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("got more than 2624 bytes")));
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(4, 5));
  ASSERT_THAT(Load({target, Chunk(good)}), IsOk());
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
}

TEST_F(DrafterServiceTest, ASnapshotOfAnotherModelIsRefused) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::string bytes = Save(MATRIX_SCOPE_TENANT, "a")->front();
  Start({.drafter_id = "d2"});
  v1::HandshakeResponse response;
  ASSERT_THAT(Handshake(&response, "n"), IsOk());
  EXPECT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "a"), Chunk(bytes)}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("model_id: got \"m\"")));
  EXPECT_THAT(Info().matrices(), IsEmpty());
}

TEST_F(DrafterServiceTest, OpenSessionsGoOnWithTheMatrixTheyHold) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::string bytes = Save(MATRIX_SCOPE_TENANT, "a")->front();
  Stream stream(stub_.get(), Session());
  const v1::Observation seen = Rows({1}, {4, 5});
  const v1::Proposal ask = Ask(1);
  stream.Send(0, &seen, &ask);
  EXPECT_THAT(stream.Read().tree().tokens(), ElementsAre(4, 5));
  ASSERT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "a"), Chunk(bytes)}), IsOk());
  stream.Send(1, nullptr, &ask);
  EXPECT_THAT(stream.Read().tree().tokens(), ElementsAre(4, 5));
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
  EXPECT_THAT(stream.Finish(), IsOk());
}

TEST_F(DrafterServiceTest, WhatWasSavedOnShutdownIsThereAfterARestart) {
  const DrafterOptions options = {.drafter_id = "d1", .snapshot_dir = Directory()};
  Start(options);
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  server_->Shutdown(absl::ZeroDuration());
  ASSERT_THAT(drafter_->SaveSnapshots(), IsOk());
  Start(options);
  EXPECT_EQ(Info().model().model_id(), "m");
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
  // Another id has other snapshots.
  Start({.drafter_id = "d2", .snapshot_dir = Directory()});
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), IsEmpty());
}

TEST_F(DrafterServiceTest, ALoadedMatrixIsOnDiskWhenTheLoadIsAnswered) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::string bytes = Save(MATRIX_SCOPE_TENANT, "a")->front();
  const DrafterOptions options = {.drafter_id = "d1", .snapshot_dir = Directory()};
  Start(options);
  ASSERT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "a"), Chunk(bytes)}), IsOk());
  Start(options);  // without SaveSnapshots, as after kill -9
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
}

TEST_F(DrafterServiceTest, ALoadThatCannotBeKeptSaysSo) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::string bytes = Save(MATRIX_SCOPE_TENANT, "a")->front();
  Start({.drafter_id = "d1", .snapshot_dir = Directory()});
  fs::remove_all(Directory());
  EXPECT_THAT(Load({Target(MATRIX_SCOPE_TENANT, "a"), Chunk(bytes)}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("replaced but not on disk")));
  EXPECT_THAT(Propose(Session(), Ask(1))->tokens(), ElementsAre(2, 3));
}

TEST_F(DrafterServiceTest, SnapshotsAreWrittenAtTheirInterval) {
  Start({.drafter_id = "d1",
         .snapshot_dir = Directory(),
         .snapshot_interval = absl::Milliseconds(1)});
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  while (!fs::exists(Directory() + "/d1.tenant.YQ.rcm")) std::this_thread::yield();
}

TEST_F(DrafterServiceTest, OptionsOutOfRangeAreNamed) {
  EXPECT_THAT(CreateDrafter({.drafter_id = "a/b"}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CreateDrafter({.k = 65}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CreateDrafter({.model = ModelIdentity{"m", 10, std::string(32, 'd')}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("beside a model")));
  EXPECT_THAT(CreateDrafter({.k = 2, .model = ModelIdentity{"m", 10, "short"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tokenizer_digest")));
  EXPECT_THAT(CreateDrafter({.template_file = "/absent"}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(CreateDrafter({.snapshot_dir = "/absent"}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(CreateDrafter({.snapshot_interval = -absl::Seconds(1)}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DrafterServiceTest, AModelMayBeBoundFromTheStart) {
  Start({.k = kK, .model = ModelIdentity{"m", kVocab, std::string(32, 'd')}});
  v1::HandshakeResponse response;
  EXPECT_THAT(Handshake(&response, "n"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Handshake(&response), IsOk());
}

}  // namespace
}  // namespace recycling::drafter
