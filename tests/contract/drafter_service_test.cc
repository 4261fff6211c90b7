// The drafter's protocol, over real gRPC on a loopback port.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "drafter/service/drafter_convert.h"
#include "tests/contract/drafter_service_fixture.h"
#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

using common::v1::MATRIX_SCOPE_REQUEST;
using common::v1::MATRIX_SCOPE_SHARED;
using common::v1::MATRIX_SCOPE_TENANT;
using common::v1::MATRIX_SCOPE_UNSPECIFIED;
using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(DrafterServiceTest, HandshakeStatesTheDrafterAndItsLimits) {
  v1::HandshakeResponse response;
  ASSERT_THAT(Handshake(&response), IsOk());
  EXPECT_EQ(response.drafter_id(), "d1");
  EXPECT_EQ(response.max_tree_nodes(), 80u);
  EXPECT_EQ(response.tree_template(), "paper-80");
  EXPECT_EQ(response.protocol_version(), 1u);
  EXPECT_TRUE(response.shared_scope_allowed());
  EXPECT_FALSE(response.build().empty());
}

TEST_F(DrafterServiceTest, HandshakeRefusesAnotherModelAnotherKOrAnotherProtocol) {
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

TEST_F(DrafterServiceTest, LogsTheFirstHandshakeAndTheRefusedOnes) {
  v1::HandshakeResponse response;
  const auto logged = [&](const std::string& model) {
    ::testing::internal::CaptureStderr();
    Handshake(&response, model).IgnoreError();
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_THAT(logged("m"), HasSubstr(" I handshake "));
  EXPECT_EQ(logged("m"), "");
  EXPECT_THAT(logged("n"), HasSubstr(" W handshake "));
  EXPECT_EQ(logged("m"), "");
}

TEST_F(DrafterServiceTest, AStreamLearnsAndAnswersEveryStepWithAProposal) {
  Stream stream(stub_.get(), Session());
  const v1::Proposal ask = Ask(1);
  stream.Send(0, nullptr, &ask);
  v1::DraftResponse first = stream.Read();
  EXPECT_EQ(first.step(), 0u);
  EXPECT_EQ(first.tree().base(), 7u);
  EXPECT_EQ(first.tree().root(), 1u);
  EXPECT_THAT(first.tree().tokens(), IsEmpty());
  // The drafter learns from a step without a proposal and does not answer it.
  const v1::Observation seen = Rows({1, 2}, {2, 3, 4, 5}, {0, 1});
  stream.Send(1, &seen, nullptr);
  stream.Send(2, nullptr, &ask);
  const v1::DraftResponse second = stream.Read();
  EXPECT_EQ(second.step(), 2u);
  EXPECT_THAT(second.tree().tokens(), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(second.tree().parents(), ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(second.tree().ranks(), ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(second.tree().sources(), ::testing::Each(std::uint32_t{SetOf(DraftSource::kMatrix)}));
  // The drafter learns from a step before it drafts for the same step.
  const v1::Observation changed = Rows({1}, {9, 8});
  const v1::Proposal two = Ask(1, 2);
  stream.Send(3, &changed, &two);
  EXPECT_THAT(stream.Read().tree().tokens(), ElementsAre(9, 8));
  EXPECT_THAT(stream.Finish(), IsOk());
}

TEST_F(DrafterServiceTest, AHundredStreamsAreOpenAtOnceAndAllAreAnswered) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const v1::Proposal ask = Ask(1);
  std::vector<std::unique_ptr<Stream>> streams;
  for (int i = 0; i < 100; ++i) {
    streams.push_back(std::make_unique<Stream>(stub_.get(), Session()));
    streams.back()->Send(0, nullptr, &ask);
  }
  for (const auto& stream : streams) EXPECT_THAT(stream->Read().tree().tokens(), ElementsAre(2, 3));
  EXPECT_EQ(Info().open_sessions(), 100u);
  for (const auto& stream : streams) EXPECT_THAT(stream->Finish(), IsOk());
}

TEST_F(DrafterServiceTest, TheLimitsOfTheProposalCutTheTree) {
  ASSERT_THAT(Observe(Session(), Rows({1, 2}, {2, 3, 4, 5})), IsOk());
  EXPECT_THAT(Propose(Session(), Ask(1, 0))->tokens(), IsEmpty());
  EXPECT_THAT(Propose(Session(), Ask(1, 80, 0))->tokens(), IsEmpty());
  EXPECT_THAT(Propose(Session(), Ask(1, 80, 1))->tokens(), ElementsAre(2, 3));
  EXPECT_THAT(Propose(Session(), Ask(1, 3))->tokens(), ElementsAre(2, 3, 4));
  EXPECT_THAT(Propose(Session(), Ask(1, 0xffffffff, 0xffffffff))->tokens(),
              ElementsAre(2, 3, 4, 5));
}

v1::Proposal AskAt(std::uint32_t root,
                   const std::vector<std::pair<std::uint32_t, std::uint32_t>>& costs) {
  v1::Proposal proposal = Ask(root);
  for (const auto& [nodes, micros] : costs) {
    proposal.add_step_costs()->set_nodes(nodes);
    proposal.mutable_step_costs()->rbegin()->set_micros(micros);
  }
  return proposal;
}

TEST_F(DrafterServiceTest, StepCostsDecideHowLargeATreeIs) {
  ASSERT_THAT(Observe(Session(), Rows({1, 2, 3}, {2, 3, 4, 5, 6, 7})), IsOk());
  EXPECT_THAT(Propose(Session(), AskAt(1, {{0, 100}, {80, 800'000}}))->tokens(), IsEmpty());
  EXPECT_THAT(Propose(Session(), AskAt(1, {{0, 1000}, {1, 1001}, {2, 9000}}))->tokens(),
              ElementsAre(2));
  EXPECT_THAT(Propose(Session(), AskAt(1, {{0, 100}}))->tokens(), ElementsAre(2, 3, 4, 5, 6, 7));
  v1::Proposal others_wait = AskAt(1, {{0, 1000}, {1, 1001}, {2, 9000}});
  others_wait.set_other_tokens(1e6);
  EXPECT_THAT(Propose(Session(), others_wait)->tokens(), IsEmpty());
  // Without costs the drafter proposes the template's tree.
  EXPECT_THAT(Propose(Session(), Ask(1, 1))->tokens(), ElementsAre(2));
}

TEST_F(DrafterServiceTest, MalformedStepCostsAreRefused) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  std::vector<std::pair<std::uint32_t, std::uint32_t>> many;
  for (std::uint32_t i = 0; i < 65; ++i) many.push_back({i, 1});
  const std::vector<std::pair<std::vector<std::pair<std::uint32_t, std::uint32_t>>, std::string>>
      malformed = {{{{1, 5}}, "got nodes 1 first, expected 0"},
                   {{{0, 0}}, "got micros 0"},
                   {{{0, 5}, {0, 5}}, "got nodes 0 after 0"},
                   {{{0, 5}, {9, 4}}, "got micros 4 after 5"},
                   {many, "got 65 entries, expected 1 to 64"}};
  for (const auto& [costs, message] : malformed) {
    EXPECT_THAT(Propose(Session(), AskAt(1, costs)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
  for (const double others : {-1.0, 2e9, std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN()}) {
    v1::Proposal ask = AskAt(1, {{0, 100}});
    ask.set_other_tokens(others);
    EXPECT_THAT(Propose(Session(), ask),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got other_tokens")));
  }
}

// A stream may get candidates from the tokens of its own sequence. Other streams do not get them.
// Acceptance in the streams of one tenant does not change the estimates for another tenant.
TEST_F(DrafterServiceTest, CandidatesOfASequenceAndEstimatesOfATenantAreNotShared) {
  const v1::Proposal ask = AskAt(1, {{0, 100}});
  Stream own(stub_.get(), Session(MATRIX_SCOPE_TENANT, "a"));
  const v1::Observation seen = Rows({1}, {2, 3});
  v1::Proposal nine = AskAt(9, {{0, 100}});
  own.Send(0, &seen, &nine);  // the sequence had 9 after 1, but row 1 does not hold 9
  own.Read();
  own.Send(1, nullptr, &ask);
  const common::v1::DraftTree tree = own.Read().tree();
  EXPECT_THAT(tree.tokens(), ::testing::Contains(9u));
  EXPECT_THAT(tree.sources(), ::testing::Contains(std::uint32_t{SetOf(DraftSource::kSequence)}));
  Stream sibling(stub_.get(), Session(MATRIX_SCOPE_TENANT, "a"));
  sibling.Send(0, nullptr, &ask);
  EXPECT_THAT(sibling.Read().tree().tokens(), ElementsAre(2, 3));
  EXPECT_THAT(own.Finish(), IsOk());
  EXPECT_THAT(sibling.Finish(), IsOk());

  // At these costs a node pays only if it is accepted in at least every second step.
  const v1::Proposal dear = AskAt(1, {{0, 1000}, {1, 1500}, {2, 9000}});
  ASSERT_THAT(Observe(Session(MATRIX_SCOPE_TENANT, "b"), seen), IsOk());
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "b"), dear)->tokens(), IsEmpty());
  Stream good(stub_.get(), Session(MATRIX_SCOPE_TENANT, "c"));
  for (std::uint64_t i = 0; i < 40; ++i) {
    const v1::Observation hit = Rows({1, 2}, {2, 3, 2, 3}, {0, 1});
    good.Send(i, &hit, nullptr);
  }
  good.Send(40, nullptr, &dear);
  EXPECT_THAT(good.Read().tree().tokens(), ElementsAre(2));
  EXPECT_THAT(good.Finish(), IsOk());
  EXPECT_THAT(Propose(Session(MATRIX_SCOPE_TENANT, "b"), dear)->tokens(), IsEmpty());
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

v1::Observation WithParents(v1::Observation observation,
                            const std::vector<std::uint32_t>& parents) {
  observation.mutable_parents()->Add(parents.begin(), parents.end());
  return observation;
}

TEST_F(DrafterServiceTest, LearnsNothingFromAMalformedStep) {
  ASSERT_THAT(Observe(Session(), Rows({1}, {2, 3})), IsOk());
  const std::vector<std::pair<v1::Observation, std::string>> malformed = {
      {Rows({1, kVocab}, {8, 9, 8, 9}), "got token id 100"},
      {Rows({1, 2}, {8, 9, 8, kVocab}), "got token id 100"},
      {Rows({1, 2}, {8, 9, 8, 8}), "twice in row 1"},
      {Rows({1, 2}, {8, 9, 8}), "got 3 ids, expected 2 rows of 2"},
      {Rows({1}, {8, 9}, {1}), "accepted_path: got row 1"},
      {Rows({1, 2}, {8, 9, 8, 9}, {0, 1, 1}), "accepted_path: got row 1"},
      {Rows({}, {}, {}), "got no rows"},
      {WithParents(Rows({1, 2}, {8, 9, 8, 9}), {1}), "parents: got 1 for row 1"},
      {WithParents(Rows({1, 2}, {8, 9, 8, 9}), {0xffffffff}), "parents: got 4294967295"},
      {WithParents(Rows({1, 2}, {8, 9, 8, 9}), {0, 0}),
       "parents: got 3 including that of the root"},
      {WithParents(Rows({1, 2, 3}, {8, 9, 8, 9, 8, 9}, {0, 2}), {0, 1}),
       "parents: got 1 for row 2 of the accepted path"}};
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
  // A good observation with a bad proposal.
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
  open = Session();
  open.add_committed_ids(kVocab);
  EXPECT_THAT(refused(open), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("committed_ids: got token id 100")));
  open.mutable_committed_ids()->Resize(kMaxCommittedIds, 1);
  open.set_committed_ids(0, 1);
  EXPECT_THAT(refused(open), IsOk());
  open.add_committed_ids(1);
  EXPECT_THAT(refused(open),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("committed_ids: got 262145, expected at most 262144")));
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

// The calls of a caller in the drafter's own process.
class LocalStream {
 public:
  LocalStream(DrafterServer& drafter, const v1::OpenSession& open)
      : stream_(drafter.OpenDraft({})) {
    stream_->Send([&open](v1::DraftRequest& request) { *request.mutable_open() = open; });
  }
  bool Send(std::uint64_t step, const v1::Observation* observation, const v1::Proposal* proposal) {
    return stream_->Send([&](v1::DraftRequest& request) {
      request.Clear();
      request.mutable_step()->set_step(step);
      if (observation != nullptr) *request.mutable_step()->mutable_observation() = *observation;
      if (proposal != nullptr) *request.mutable_step()->mutable_proposal() = *proposal;
    });
  }
  absl::StatusOr<v1::DraftResponse> Read() {
    v1::DraftResponse response;
    const auto read = stream_->Receive(absl::ZeroDuration(), &response);
    if (!read.ok()) return read.status();
    return response;
  }
  DraftStream& operator*() { return *stream_; }

 private:
  const std::unique_ptr<DraftStream> stream_;
};

TEST_F(DrafterServiceTest, ALocalStreamGivesTheAnswersOfAStreamOverGrpc) {
  Stream remote(stub_.get(), Session(MATRIX_SCOPE_REQUEST));
  LocalStream local(*drafter_, Session(MATRIX_SCOPE_REQUEST));
  const v1::Proposal ask = Ask(1);
  const v1::Observation seen = Rows({1, 2}, {2, 3, 4, 5}, {0, 1});
  const v1::Observation changed = Rows({1}, {9, 8});
  std::uint64_t step = 0;
  for (const v1::Observation* observation :
       {static_cast<const v1::Observation*>(nullptr), &seen, &changed}) {
    remote.Send(step, observation, &ask);
    EXPECT_TRUE(local.Send(step, observation, &ask));
    v1::DraftResponse theirs = remote.Read();
    auto ours = local.Read();
    ASSERT_THAT(ours, IsOk());
    theirs.clear_draft_micros();
    ours->clear_draft_micros();
    EXPECT_EQ(ours->DebugString(), theirs.DebugString());
    ++step;
  }
  // No answer is due.
  EXPECT_TRUE(local.Send(step, &seen, nullptr));
  EXPECT_THAT(local.Read(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(Info().open_sessions(), 2u);
  (*local).Close(absl::ZeroDuration());
  EXPECT_FALSE(local.Send(step, &seen, nullptr));
  EXPECT_EQ(Info().open_sessions(), 1u);
}

TEST_F(DrafterServiceTest, ALocalStreamEndsWithTheErrorOfItsMessage) {
  LocalStream refused(*drafter_, Session(MATRIX_SCOPE_TENANT, ""));
  EXPECT_FALSE(refused.Send(0, nullptr, nullptr));
  EXPECT_THAT(refused.Read(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tenant")));
  LocalStream stream(*drafter_, Session());
  const v1::Observation malformed = Rows({1, kVocab}, {8, 9, 8, 9});
  EXPECT_TRUE(stream.Send(0, &malformed, nullptr));
  EXPECT_THAT(stream.Read(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("got token id 100")));
  EXPECT_EQ(Info().open_sessions(), 0u);
  LocalStream cancelled(*drafter_, Session());
  (*cancelled).Cancel();
  EXPECT_THAT(cancelled.Read(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(DrafterServiceTest, ScopesDoNotShareAMatrix) {
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

TEST_F(DrafterServiceTest, TheSharedScopeMustBeAllowedByTheOperator) {
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

TEST_F(DrafterServiceTest, RefusesANewMatrixWhenMatricesInUseFillTheMemoryBound) {
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
  // The client sees the end before the server has closed the session. So ask until it has.
  while (Info().open_sessions() != 0) std::this_thread::yield();
  EXPECT_THAT(Info().matrices(), IsEmpty());
  EXPECT_EQ(Info().bytes(), 0u);
}

TEST_F(DrafterServiceTest, MatrixInfoListsAllMatrices) {
  EXPECT_FALSE(Info().has_model());
  ASSERT_THAT(Observe(Session(MATRIX_SCOPE_TENANT, "a"), Rows({1, 2}, {2, 3, 4, 5})), IsOk());
  ASSERT_THAT(Observe(Session(MATRIX_SCOPE_SHARED, "a"), Rows({1}, {2, 3})), IsOk());
  const v1::GetMatrixInfoResponse info = Info();
  EXPECT_EQ(info.drafter_id(), "d1");
  EXPECT_EQ(info.model().vocab_size(), kVocab);
  EXPECT_EQ(info.k(), kK);
  EXPECT_EQ(info.bytes(), 2 * kMatrixBytes);
  EXPECT_EQ(info.max_bytes(), 1u << 30);
  ASSERT_EQ(info.matrices_size(), 2);
  EXPECT_EQ(info.matrices(0).scope(), MATRIX_SCOPE_SHARED);
  EXPECT_EQ(info.matrices(0).tenant(), "");
  EXPECT_EQ(info.matrices(1).scope(), MATRIX_SCOPE_TENANT);
  EXPECT_EQ(info.matrices(1).tenant(), "a");
  EXPECT_EQ(info.matrices(1).rows_filled(), 2u);
  EXPECT_EQ(info.matrices(1).row_updates(), 3u);
  EXPECT_EQ(info.matrices(1).bytes(), kMatrixBytes);
}

TEST_F(DrafterServiceTest, OptionsOutOfRangeAreNamed) {
  EXPECT_THAT(CreateDrafter({.drafter_id = "a/b"}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CreateDrafter({.template_file = "/absent"}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(CreateDrafter({.snapshot_dir = "/absent"}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(CreateDrafter({.snapshot_interval = -absl::Seconds(1)}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace recycling::drafter
