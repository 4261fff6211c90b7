#include "gateway/loop/drafting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "tests/doubles/fake_clock.h"
#include "tests/doubles/mock_drafter_client.h"

namespace recycling::gateway {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::NiceMock;
using ::testing::Optional;
using ::testing::ReturnRef;

constexpr std::uint32_t kBase = 10;
constexpr TokenId kRoot = 5;

class MockDirectory : public DrafterDirectory {
 public:
  MOCK_METHOD(absl::StatusOr<std::shared_ptr<DrafterClient>>, Pick,
              (const std::string& tenant, MatrixScope scope), (override));
  MOCK_METHOD(void, Report, (const std::string& address, const absl::Status& error), (override));
  bool Judge(const std::string&, const absl::Status& answer) override {
    judged.push_back(answer.code());
    return goes_on;
  }

  std::vector<absl::StatusCode> judged;
  bool goes_on = true;
};

DraftTree Chain(std::uint32_t base, TokenId root, int nodes) {
  DraftTree tree = DraftTree::Root(base, root);
  for (int i = 0; i < nodes; ++i) {
    tree.tokens.push_back(static_cast<TokenId>(i));
    tree.parents.push_back(i);
  }
  return tree;
}

// Every session answers a proposal with answer_(step). sent_ keeps the messages to the sessions.
class DraftingTest : public ::testing::Test {
 protected:
  DraftingTest() {
    ON_CALL(*client_, address).WillByDefault(ReturnRef(address_));
    ON_CALL(*client_, NewSession).WillByDefault([this](const OpenDrafting& open, auto&&...) {
      ++sessions_;
      opened_ = open;
      auto session = std::make_unique<NiceMock<doubles::MockDrafterSession>>();
      ON_CALL(*session, Send).WillByDefault([this](DraftStep step) { sent_.push_back(step); });
      ON_CALL(*session, Receive).WillByDefault([this](std::uint64_t step, absl::Duration timeout) {
        asked_.push_back(step);
        timeout_ = timeout;
        auto answer = answer_(step);
        if (!answer.ok()) return absl::StatusOr<DraftAnswer>(answer.status());
        return absl::StatusOr<DraftAnswer>(
            DraftAnswer{.tree = *std::move(answer), .inside = absl::Microseconds(9)});
      });
      return session;
    });
    ON_CALL(directory_, Pick).WillByDefault([this](auto&&...) { return picked_; });
  }

  static Drafting::Draft Next(Drafting& drafting, DraftStep step) {
    drafting.Ask(std::move(step));
    return drafting.Take();
  }

  Drafting::Draft Ask(std::uint64_t step) {
    return Next(drafting_, {.step = step,
                            .observation = Observation{.tokens = {kRoot}},
                            .proposal = Proposal{
                                .base = kBase, .root = kRoot, .max_nodes = 3, .max_depth = 2}});
  }

  void ExpectFallback(FallbackReason reason) {
    const Drafting::Draft draft = Ask(0);
    EXPECT_FALSE(draft.tree.has_value());
    EXPECT_EQ(draft.fallback, reason);
  }

  std::string address_ = "drafter:1";
  std::shared_ptr<NiceMock<doubles::MockDrafterClient>> client_ =
      std::make_shared<NiceMock<doubles::MockDrafterClient>>();
  absl::StatusOr<std::shared_ptr<DrafterClient>> picked_ = client_;
  NiceMock<MockDirectory> directory_;
  doubles::FakeClock clock_;
  std::vector<TokenId> committed_ = {7, 8, kRoot};
  Drafting drafting_{{.tenant = "default",
                      .scope = MatrixScope::kTenant,
                      .draft_deadline = absl::Milliseconds(20),
                      .deadline = clock_.Now() + absl::Seconds(1),
                      .vocab_size = 100,
                      .committed = [this] { return committed_; }},
                     directory_,
                     clock_};
  std::function<absl::StatusOr<DraftTree>(std::uint64_t)> answer_ = [](std::uint64_t) {
    return Chain(kBase, kRoot, 2);
  };
  int sessions_ = 0;
  OpenDrafting opened_;  // of the last session
  std::vector<std::uint64_t> asked_;
  std::vector<DraftStep> sent_;
  absl::Duration timeout_;
};

TEST_F(DraftingTest, ReturnsAValidTree) {
  EXPECT_CALL(*client_, NewSession(::testing::_, clock_.Now() + absl::Seconds(1), ::testing::_));
  const Drafting::Draft draft = Ask(0);
  EXPECT_EQ(opened_.tenant, "default");
  EXPECT_EQ(opened_.scope, MatrixScope::kTenant);
  EXPECT_THAT(draft.tree, Optional(Chain(kBase, kRoot, 2)));
  EXPECT_EQ(draft.fallback, std::nullopt);
  EXPECT_EQ(drafting_.drafter(), "drafter:1");
  EXPECT_TRUE(draft.waited);
  EXPECT_EQ(draft.inside, absl::Microseconds(9));
}

TEST_F(DraftingTest, JudgesEveryAnswerAndLeavesAnEjectedDrafter) {
  Ask(0);
  answer_ = [](std::uint64_t) { return absl::DeadlineExceededError("late"); };
  Ask(1);
  answer_ = [](std::uint64_t) { return Chain(kBase + 1, kRoot, 2); };
  Ask(2);
  EXPECT_THAT(directory_.judged,
              ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kDeadlineExceeded,
                          absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(sessions_, 1);
  EXPECT_EQ(drafting_.drafter(), "drafter:1");
  directory_.goes_on = false;
  Ask(3);  // asks no drafter, because of the pause after the failures
  Ask(4);
  EXPECT_EQ(drafting_.drafter(), "");
  directory_.goes_on = true;
  answer_ = [](std::uint64_t) { return Chain(kBase, kRoot, 2); };
  for (std::uint64_t step = 5; step < 9; ++step) Ask(step);
  EXPECT_EQ(sessions_, 2) << "the second session is with the drafter that is picked now";
}

TEST_F(DraftingTest, AsksWithoutWaiting) {
  drafting_.Ask({.step = 3, .proposal = Proposal{.base = kBase, .root = kRoot, .max_nodes = 3}});
  EXPECT_EQ(sent_.size(), 1u);
  EXPECT_THAT(asked_, ElementsAre());
  EXPECT_TRUE(drafting_.Take().waited);
  EXPECT_THAT(asked_, ElementsAre(3));
  EXPECT_FALSE(drafting_.Take().waited) << "Take() returns an answer only once";
}

TEST_F(DraftingTest, SendsObservationAndProposalInOneMessage) {
  Ask(7);
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].step, 7u);
  EXPECT_TRUE(sent_[0].observation.has_value());
  EXPECT_THAT(sent_[0].proposal, Optional(Field(&Proposal::root, kRoot)));
}

TEST_F(DraftingTest, WaitsUntilTheDraftDeadlineOrTheEarlierDeadlineOfTheRequest) {
  Ask(0);
  EXPECT_EQ(timeout_, absl::Milliseconds(20));
  clock_.Advance(absl::Milliseconds(995));
  Ask(1);
  EXPECT_EQ(timeout_, absl::Milliseconds(5));
}

TEST_F(DraftingTest, AWaitCutByTheDeadlineOfTheRequestIsNoFailureOfTheDrafter) {
  EXPECT_CALL(directory_, Report).Times(0);
  clock_.Advance(absl::Milliseconds(995));  // 5 of the drafter's 20 ms are left
  answer_ = [](std::uint64_t) { return absl::DeadlineExceededError("late"); };
  ExpectFallback(FallbackReason::kTimeout);
  Drafting other({.draft_deadline = absl::Milliseconds(20),
                  .deadline = clock_.Now() + absl::Milliseconds(5),
                  .vocab_size = 100,
                  .committed = [this] { return committed_; }},
                 directory_, clock_);
  answer_ = [](std::uint64_t) { return absl::UnavailableError("the stream's deadline passed"); };
  const Drafting::Draft draft =
      Next(other, {.proposal = Proposal{.base = kBase, .root = kRoot, .max_nodes = 3}});
  EXPECT_EQ(draft.fallback, FallbackReason::kUnavailable);
  EXPECT_THAT(directory_.judged, ElementsAre());
  EXPECT_EQ(other.drafter(), "");
}

TEST_F(DraftingTest, ATreeWithoutDraftedNodesIsNoFallback) {
  answer_ = [](std::uint64_t) { return DraftTree::Root(kBase, kRoot); };
  const Drafting::Draft draft = Ask(0);
  EXPECT_FALSE(draft.tree.has_value());
  EXPECT_EQ(draft.fallback, std::nullopt);
}

TEST_F(DraftingTest, WithoutAProposalDoesNotWait) {
  const Drafting::Draft draft = Next(drafting_, {.step = 0, .observation = Observation{}});
  EXPECT_EQ(draft.fallback, std::nullopt);
  EXPECT_THAT(asked_, ElementsAre());
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(DraftingTest, WithoutAMessageOpensNoSession) {
  Next(drafting_, {.step = 0});
  EXPECT_EQ(sessions_, 0);
  EXPECT_EQ(drafting_.drafter(), "");
}

TEST_F(DraftingTest, WithoutADrafterEveryStepLooksForOne) {
  picked_ = absl::UnavailableError("none");
  EXPECT_CALL(directory_, Pick("default", MatrixScope::kTenant)).Times(4);
  for (std::uint64_t step = 0; step < 3; ++step) ExpectFallback(FallbackReason::kUnavailable);
  picked_ = std::shared_ptr<DrafterClient>(client_);
  EXPECT_TRUE(Ask(3).tree.has_value());
}

TEST_F(DraftingTest, IfAllDraftersHaveAnotherModelTheFallbackIsMismatch) {
  picked_ = absl::FailedPreconditionError("model");
  ExpectFallback(FallbackReason::kMismatch);
}

TEST_F(DraftingTest, WithoutAProposalAMissingDrafterIsNoFallback) {
  picked_ = absl::UnavailableError("none");
  EXPECT_EQ(Next(drafting_, {.step = 0, .observation = Observation{}}).fallback, std::nullopt);
}

TEST_F(DraftingTest, ALateDraftKeepsTheSession) {
  EXPECT_CALL(directory_, Report).Times(0);
  answer_ = [](std::uint64_t step) -> absl::StatusOr<DraftTree> {
    if (step == 0) return absl::DeadlineExceededError("late");
    return Chain(kBase, kRoot, 1);
  };
  ExpectFallback(FallbackReason::kTimeout);
  EXPECT_TRUE(Ask(1).tree.has_value());
  EXPECT_EQ(sessions_, 1);
}

TEST_F(DraftingTest, ADraftForAnotherBaseOrRootIsStaleAndKeepsTheSession) {
  answer_ = [](std::uint64_t) { return Chain(kBase - 1, kRoot, 1); };
  ExpectFallback(FallbackReason::kStale);
  answer_ = [](std::uint64_t) { return Chain(kBase, kRoot + 1, 1); };
  ExpectFallback(FallbackReason::kStale);
  EXPECT_EQ(sessions_, 1);
}

TEST_F(DraftingTest, AnInvalidTreeIsMalformed) {
  DraftTree cycle = Chain(kBase, kRoot, 2);
  cycle.parents[1] = 2;
  DraftTree unknown = Chain(kBase, kRoot, 2);
  unknown.tokens[2] = 100;
  const DraftTree too_deep = Chain(kBase, kRoot, 3);
  DraftTree too_large = Chain(kBase, kRoot, 1);
  for (TokenId token = 10; token < 13; ++token) {
    too_large.tokens.push_back(token);
    too_large.parents.push_back(1);
  }
  for (const DraftTree& tree : {DraftTree(), cycle, unknown, too_deep, too_large}) {
    Drafting drafting({.draft_deadline = absl::Milliseconds(20),
                       .deadline = absl::InfiniteFuture(),
                       .vocab_size = 100,
                       .committed = [this] { return committed_; }},
                      directory_, clock_);
    answer_ = [&](std::uint64_t) { return tree; };
    const Drafting::Draft draft =
        Next(drafting,
             {.proposal = Proposal{.base = kBase, .root = kRoot, .max_nodes = 3, .max_depth = 2}});
    EXPECT_FALSE(draft.tree.has_value());
    EXPECT_EQ(draft.fallback, FallbackReason::kMalformed);
  }
}

TEST_F(DraftingTest, ReportsAnErrorAndOpensANewSessionAtTheNextStep) {
  const std::vector<std::pair<absl::Status, FallbackReason>> errors = {
      {absl::UnavailableError("gone"), FallbackReason::kUnavailable},
      {absl::FailedPreconditionError("model"), FallbackReason::kMismatch},
      {absl::InternalError("oops"), FallbackReason::kError},
      {absl::CancelledError("?"), FallbackReason::kError}};
  for (const auto& [error, reason] : errors) {
    sessions_ = 0;
    sent_.clear();
    Drafting drafting({.draft_deadline = absl::Milliseconds(20),
                       .deadline = absl::InfiniteFuture(),
                       .vocab_size = 100,
                       .committed = [this] { return committed_; }},
                      directory_, clock_);
    drafting.LearnPrompt(Observation{.tokens = {1, 2}});
    const Proposal proposal{.base = kBase, .root = kRoot, .max_nodes = 3, .max_depth = 2};
    EXPECT_CALL(directory_, Report("drafter:1", error));
    answer_ = [error = error](std::uint64_t) { return error; };
    EXPECT_EQ(Next(drafting, {.step = 0, .proposal = proposal}).fallback, reason);
    EXPECT_EQ(drafting.drafter(), "");
    answer_ = [](std::uint64_t) { return Chain(kBase, kRoot, 1); };
    EXPECT_TRUE(Next(drafting, {.step = 1, .proposal = proposal}).tree.has_value());
    EXPECT_EQ(sessions_, 2);
    EXPECT_TRUE(sent_[0].prompt.has_value());
    EXPECT_FALSE(sent_[1].prompt.has_value()) << "the prompt must not be sent again";
  }
}

TEST_F(DraftingTest, AsksAFailingDrafterLessAndLessOften) {
  answer_ = [](std::uint64_t) { return absl::InternalError("dead"); };
  for (std::uint64_t step = 0; step < 130; ++step) {
    EXPECT_EQ(Ask(step).fallback, FallbackReason::kError) << step;
  }
  EXPECT_THAT(asked_, ElementsAre(0, 1, 3, 7, 15, 31, 63, 95, 127));
}

TEST_F(DraftingTest, AsksASilentDrafterLessAndLessOftenButSendsEveryObservation) {
  answer_ = [](std::uint64_t) { return absl::DeadlineExceededError("late"); };
  for (std::uint64_t step = 0; step < 16; ++step) {
    EXPECT_EQ(Ask(step).fallback, FallbackReason::kTimeout) << step;
  }
  EXPECT_THAT(asked_, ElementsAre(0, 1, 3, 7, 15));
  ASSERT_EQ(sent_.size(), 16u);
  for (const DraftStep& step : sent_) EXPECT_TRUE(step.observation.has_value());
  EXPECT_FALSE(sent_[2].proposal.has_value());
}

TEST_F(DraftingTest, ADraftInTimeEndsTheBackOff) {
  answer_ = [](std::uint64_t step) -> absl::StatusOr<DraftTree> {
    if (step == 7) return Chain(kBase, kRoot, 1);
    return absl::InternalError("dead");
  };
  for (std::uint64_t step = 0; step < 12; ++step) Ask(step);
  EXPECT_THAT(asked_, ElementsAre(0, 1, 3, 7, 8, 9, 11));
}

TEST_F(DraftingTest, EachNewSessionGetsAllCommittedTokens) {
  answer_ = [](std::uint64_t) { return absl::InternalError("dead"); };
  Ask(0);
  EXPECT_THAT(opened_.committed, ElementsAre(7, 8, kRoot));
  committed_ = {7, 8, 9, 3, kRoot};
  answer_ = [](std::uint64_t) { return Chain(kBase, kRoot, 1); };
  Ask(1);
  EXPECT_EQ(sessions_, 2);
  EXPECT_THAT(opened_.committed, ElementsAre(7, 8, 9, 3, kRoot));
}

TEST_F(DraftingTest, SendsThePromptWithTheFirstSession) {
  drafting_.LearnPrompt(Observation{.tokens = {1, 2}});
  picked_ = absl::UnavailableError("none");
  Ask(0);
  picked_ = std::shared_ptr<DrafterClient>(client_);
  Ask(1);
  Ask(2);
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_THAT(sent_[0].prompt, Optional(Field(&Observation::tokens, ElementsAre(1, 2))));
  EXPECT_FALSE(sent_[1].prompt.has_value());
}

}  // namespace
}  // namespace recycling::gateway
