#include "gateway/fleet/moving_sequence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/retry_delay.h"
#include "tests/doubles/fake_clock.h"
#include "tests/doubles/fake_verifier_client.h"
#include "tests/doubles/fake_verifier_directory.h"
#include "tests/doubles/matchers.h"

namespace recycling::gateway {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using doubles::VerifierFault;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::vector<TokenId> kPrompt = {5, 6, 7, 8};

// A sequence with toy verifiers named a, b, c, and so on. opens_ records every call of Open.
class MovingSequenceTest : public ::testing::Test {
 protected:
  doubles::FakeVerifierClient& Add(doubles::FakeVerifierOptions options = {}) {
    options.address = std::string(1, static_cast<char>('a' + verifiers_.clients.size()));
    options.on_open = [this, address = options.address](const OpenSequence& open) {
      opens_.emplace_back(address, open);
    };
    auto client = std::make_shared<doubles::FakeVerifierClient>(std::move(options));
    verifiers_.clients.push_back(client);
    return *client;
  }

  // Options of a verifier that fails with `error` at step `step` of its stream.
  static doubles::FakeVerifierOptions FailsAt(std::uint64_t step, absl::Status error) {
    return {.fault =
                [step](std::uint64_t at) {
                  return at == step ? VerifierFault::kError : VerifierFault::kNone;
                },
            .error = std::move(error)};
  }
  static doubles::FakeVerifierOptions Leaves(std::atomic<bool>* leaving) {
    return {.leaving = [leaving] { return leaving->load(); }};
  }

  MovingSequence& Make(absl::Time deadline = absl::InfiniteFuture()) {
    sequence_.emplace(
        SequenceRequest{.open = {.prompt_ids = kPrompt, .sampling = sampling_, .learn_last = 2},
                        .deadline = deadline},
        verifiers_.clients.front(), MoveParts{verifiers_, budget_, clock_, rules_});
    return *sequence_;
  }

  // Opens the sequence, makes plain steps and adds the tokens to tokens_. Returns the first error.
  absl::Status Run(int steps) {
    if (const auto opened = sequence_->Open(); !opened.ok()) return opened.status();
    return Steps(steps);
  }
  absl::Status Steps(int steps) {
    for (; steps > 0; --steps) {
      std::optional<DraftTree> tree;
      const auto verified = sequence_->Verify(&tree);
      if (!verified.ok()) return verified.status();
      tokens_.insert(tokens_.end(), verified->tokens.begin(), verified->tokens.end());
    }
    return absl::OkStatus();
  }

  std::vector<TokenId> Plain(int count) const { return model_.Continue(kPrompt, count); }

  std::vector<std::string> Opened() const {
    std::vector<std::string> addresses;
    for (const auto& [address, open] : opens_) addresses.push_back(address);
    return addresses;
  }

  const doubles::ToyModel model_;
  doubles::FakeClock clock_;
  doubles::FakeVerifierDirectory verifiers_{clock_};
  RetryBudget budget_;
  MoveRules rules_;
  SamplingOptions sampling_;
  std::vector<std::pair<std::string, OpenSequence>> opens_;
  std::vector<TokenId> tokens_;
  std::optional<MovingSequence> sequence_;
};

TEST_F(MovingSequenceTest, StaysAtAVerifierThatWorks) {
  Add();
  Add();
  Make();
  ASSERT_THAT(Run(10), IsOk());
  EXPECT_EQ(tokens_, Plain(10));
  EXPECT_THAT(Opened(), ElementsAre("a"));
  EXPECT_EQ(sequence_->moves(), 0u);
  EXPECT_EQ(sequence_->retries(), 0u);
}

TEST_F(MovingSequenceTest, MovesWithPromptAndTokensInSeparateFields) {
  sampling_.presence_penalty = 0.5;
  Add(FailsAt(3, absl::UnavailableError("died")));
  Add();
  Make();
  ASSERT_THAT(Run(10), IsOk());
  EXPECT_EQ(tokens_, Plain(10));
  ASSERT_THAT(Opened(), ElementsAre("a", "b"));
  EXPECT_EQ(opens_[1].second.prompt_ids, kPrompt);
  EXPECT_EQ(opens_[1].second.generated_ids, Plain(3));
  EXPECT_EQ(opens_[1].second.sampling.presence_penalty, 0.5f);
  EXPECT_EQ(opens_[1].second.learn_last, 0u)
      << "the first verifier has already sent the candidates of the prompt";
  EXPECT_EQ(sequence_->moves(), 1u);
  EXPECT_EQ(sequence_->verifier().address(), "b");
  EXPECT_EQ(sequence_->base(), 14u);
}

TEST_F(MovingSequenceTest, EveryErrorButThoseOfTheRequestMovesTheSequence) {
  const std::map<absl::StatusCode, bool> moves = {
      {absl::StatusCode::kUnavailable, true},       {absl::StatusCode::kInternal, true},
      {absl::StatusCode::kResourceExhausted, true}, {absl::StatusCode::kFailedPrecondition, true},
      {absl::StatusCode::kUnknown, true},           {absl::StatusCode::kAborted, true},
      {absl::StatusCode::kCancelled, true},  // the verifier cancelled, not the gateway
      {absl::StatusCode::kDataLoss, true},          {absl::StatusCode::kInvalidArgument, false},
      {absl::StatusCode::kOutOfRange, false},       {absl::StatusCode::kDeadlineExceeded, false}};
  for (const auto& [code, moved] : moves) {
    verifiers_.clients.clear();
    tokens_.clear();
    Add(FailsAt(2, absl::Status(code, "scripted")));
    Add();
    Make();
    if (moved) {
      EXPECT_THAT(Run(5), IsOk()) << code;
      EXPECT_EQ(tokens_, Plain(5)) << code;
    } else {
      EXPECT_THAT(Run(5), StatusIs(code, HasSubstr("scripted")));
      EXPECT_EQ(tokens_, Plain(2)) << code;
    }
    EXPECT_EQ(sequence_->moves(), moved ? 1u : 0u) << code;
  }
}

TEST_F(MovingSequenceTest, LeavesAndReportsAVerifierThatBreaksTheProtocol) {
  for (const VerifierFault fault :
       {VerifierFault::kWrongStep, VerifierFault::kNoTokens, VerifierFault::kUnknownToken}) {
    verifiers_.clients.clear();
    verifiers_.reports.clear();
    tokens_.clear();
    Add({.fault = [fault](std::uint64_t) { return fault; }});
    Add();
    Make();
    EXPECT_THAT(Run(5), IsOk());
    EXPECT_EQ(tokens_, Plain(5));
    EXPECT_THAT(verifiers_.reports, ElementsAre(std::pair("a", absl::StatusCode::kOk),
                                                std::pair("a", absl::StatusCode::kInternal),
                                                std::pair("b", absl::StatusCode::kOk)));
  }
}

TEST_F(MovingSequenceTest, NeverMovesToAVerifierWithAnotherNumericsId) {
  Add(FailsAt(2, absl::UnavailableError("died")));
  Add({.numerics_id = "other"});
  Add({.context_length = 100});
  Make();
  EXPECT_THAT(Run(5), StatusIs(absl::StatusCode::kUnavailable,
                               AllOf(HasSubstr("no verifier took the sequence over within 1m"),
                                     HasSubstr("the last error was: died"))));
  EXPECT_THAT(Opened(), ElementsAre("a"));
  Add();
  verifiers_.down.clear();
  tokens_.clear();
  Make();
  EXPECT_THAT(Run(5), IsOk());
  EXPECT_THAT(Opened(), ElementsAre("a", "a", "d"));
  EXPECT_EQ(tokens_, Plain(5));
}

TEST_F(MovingSequenceTest, WaitsForAVerifierUntilShortlyBeforeItsDeadline) {
  Add(FailsAt(2, absl::UnavailableError("died")));
  Make(clock_.Now() + absl::Seconds(9));
  EXPECT_THAT(Run(5), StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("no verifier took the sequence over within 8.9s")));
  EXPECT_EQ(tokens_, Plain(2));
  EXPECT_EQ(verifiers_.waited, absl::Milliseconds(8900));
}

TEST_F(MovingSequenceTest, ContinuesAtTheSameVerifierIfItComesBack) {
  int step = 0;
  Add({.fault = [&step](std::uint64_t) {
    return step++ == 2 ? VerifierFault::kDropped : VerifierFault::kNone;
  }});
  verifiers_.on_await = [this] {
    if (verifiers_.waited > absl::Seconds(7)) verifiers_.down.clear();
  };
  Make();
  EXPECT_THAT(Run(5), IsOk());
  EXPECT_EQ(tokens_, Plain(5));
  EXPECT_EQ(sequence_->moves(), 1u);
  EXPECT_EQ(sequence_->moving(), verifiers_.waited);
}

TEST_F(MovingSequenceTest, AFullVerifierIsSkipped) {
  Add({.open_error = absl::ResourceExhaustedError("no slot")});
  Add();
  Make();
  EXPECT_THAT(Run(5), IsOk());
  EXPECT_THAT(Opened(), ElementsAre("a", "b"));
  EXPECT_EQ(opens_[1].second.learn_last, 2u)
      << "the first verifier sent no candidates of the prompt";
  EXPECT_EQ(sequence_->moves(), 0u) << "a sequence that was never open does not move";
  EXPECT_EQ(sequence_->retries(), 1u);
  EXPECT_EQ(verifiers_.waited, absl::ZeroDuration());
}

TEST_F(MovingSequenceTest, ANewSequenceTriesAllVerifiersAndThenWaitsForRoom) {
  for (int i = 0; i < 3; ++i) Add({.open_error = absl::ResourceExhaustedError("no slot")});
  rules_.room_patience = absl::Seconds(30);
  Make();
  const absl::Status full = Run(5);
  EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted, "no slot"));
  EXPECT_TRUE(RetryDelay(full).has_value());
  EXPECT_EQ(verifiers_.waited, absl::Seconds(30));
  const std::vector<std::string> opened = Opened();
  EXPECT_LT(opened.size(), 3u * 25u) << "the pauses between tries must grow";
  EXPECT_THAT((std::vector<std::string>{opened.begin(), opened.begin() + 6}),
              ElementsAre("a", "b", "c", "a", "b", "c"));
}

TEST_F(MovingSequenceTest, ANewSequenceDoesNotWaitForRoomBeyondItsDeadline) {
  Add({.open_error = absl::ResourceExhaustedError("no slot")});
  rules_.room_patience = absl::Seconds(30);
  Make(clock_.Now() + absl::Seconds(5));
  EXPECT_THAT(Run(5), StatusIs(absl::StatusCode::kResourceExhausted, "no slot"));
  EXPECT_LT(verifiers_.waited, absl::Seconds(5));
  EXPECT_GT(verifiers_.waited, absl::Seconds(4));
}

TEST_F(MovingSequenceTest, ANewSequenceGetsTheRoomOfAClosedOne) {
  auto& full = Add({.max_sequences = 1});
  auto taker = full.NewSession(absl::InfiniteFuture(), {});
  ASSERT_THAT(taker->Open({.prompt_ids = kPrompt}), IsOk());
  rules_.room_patience = absl::Seconds(30);
  verifiers_.on_await = [&] {
    if (verifiers_.waited > absl::Seconds(5)) taker.reset();
  };
  Make();
  EXPECT_THAT(Run(5), IsOk());
  EXPECT_EQ(tokens_, Plain(5));
}

TEST_F(MovingSequenceTest, ASequenceWithTokensWaitsForRoom) {
  Add(FailsAt(2, absl::UnavailableError("died")));
  auto& full = Add({.max_sequences = 1});
  auto taker = full.NewSession(absl::InfiniteFuture(), {});
  ASSERT_THAT(taker->Open({.prompt_ids = kPrompt}), IsOk());
  verifiers_.on_await = [&] {
    if (verifiers_.waited > absl::Seconds(5)) taker.reset();
  };
  Make();
  EXPECT_THAT(Run(5), IsOk());
  EXPECT_EQ(tokens_, Plain(5));
  EXPECT_LT(opens_.size(), 12u) << "the pauses between tries must grow";
}

TEST_F(MovingSequenceTest, ARequestThatKillsVerifiersEndsAfterFour) {
  for (int i = 0; i < 10; ++i) Add(FailsAt(0, absl::UnavailableError("died")));
  Make();
  EXPECT_THAT(Run(5), StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("lost 4 verifiers in a row without a token; died")));
  EXPECT_THAT(Opened(), SizeIs(4));
  rules_.max_moves = 0;
  verifiers_.down.clear();
  opens_.clear();
  Make();
  EXPECT_THAT(Run(5), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("lost 1 verifiers")));
  EXPECT_THAT(Opened(), SizeIs(1));
}

TEST_F(MovingSequenceTest, ARequestThatMakesVerifiersBreakTheProtocolEndsWithInternal) {
  for (int i = 0; i < 10; ++i) Add(FailsAt(0, absl::InternalError("nonsense")));
  Make();
  EXPECT_THAT(Run(5), StatusIs(absl::StatusCode::kInternal, HasSubstr("nonsense")));
}

TEST_F(MovingSequenceTest, WithTokensBetweenLossesASequenceMovesMoreOftenUpToABound) {
  for (int i = 0; i < 40; ++i) Add(FailsAt(1, absl::UnavailableError("died")));
  Make();
  EXPECT_THAT(Run(100), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("lost 33 verifiers;")));
  EXPECT_EQ(tokens_, Plain(33));
}

TEST_F(MovingSequenceTest, PausesBetweenTriesGrowUntilThereIsAToken) {
  rules_.max_moves = 30;
  for (int i = 0; i < 30; ++i) Add({.open_error = absl::UnavailableError("died")});
  verifiers_.clients.back() = std::make_shared<doubles::FakeVerifierClient>();
  Make();
  ASSERT_THAT(Run(3), IsOk());
  // 29 verifiers fail. The first retry has no pause. The pauses after it are 50, 100, ... 1600 ms,
  // then 2 s each.
  EXPECT_EQ(verifiers_.waited, absl::Milliseconds(50 * 63) + absl::Seconds(2) * 22);
}

TEST_F(MovingSequenceTest, RetriesWaitForTheBudget) {
  RetryBudget budget({.burst = 1, .per_request = 0, .per_second = 0.5});
  Add(FailsAt(1, absl::UnavailableError("died")));
  Add(FailsAt(1, absl::UnavailableError("died")));
  Add();
  sequence_.emplace(SequenceRequest{.open = {.prompt_ids = kPrompt}}, verifiers_.clients.front(),
                    MoveParts{verifiers_, budget, clock_, rules_});
  EXPECT_THAT(Run(5), IsOk());
  EXPECT_EQ(tokens_, Plain(5));
  EXPECT_EQ(verifiers_.waited, absl::Seconds(2));
}

TEST_F(MovingSequenceTest, LeavesADrainingVerifierAfterAnotherVerifierHasOpenedTheSequence) {
  std::atomic<bool> leaving = false;
  auto& a = Add(Leaves(&leaving));
  auto& b = Add();
  Make();
  ASSERT_THAT(Run(3), IsOk());
  leaving = true;
  ASSERT_THAT(Steps(3), IsOk());
  EXPECT_EQ(tokens_, Plain(6));
  EXPECT_THAT(Opened(), ElementsAre("a", "b"));
  EXPECT_EQ(opens_[1].second.generated_ids, Plain(3));
  EXPECT_EQ(a.open_sequences(), 0);
  EXPECT_EQ(b.open_sequences(), 1);
  EXPECT_EQ(sequence_->moves(), 1u);
}

TEST_F(MovingSequenceTest, StaysAtADrainingVerifierIfNoOtherVerifierAcceptsTheSequence) {
  std::atomic<bool> leaving = true;
  Add(Leaves(&leaving));
  Add({.open_error = absl::ResourceExhaustedError("no slot")});
  Add({.numerics_id = "other"});
  Make();
  ASSERT_THAT(Run(50), IsOk());
  EXPECT_EQ(tokens_, Plain(50));
  EXPECT_THAT(Opened(), ElementsAre("a", "b")) << "it must not try to move at every step";
  EXPECT_EQ(sequence_->moves(), 0u);
  clock_.Advance(absl::Seconds(3));
  ASSERT_THAT(Steps(10), IsOk());
  EXPECT_THAT(Opened(), ElementsAre("a", "b", "b"));
}

TEST_F(MovingSequenceTest, CancelEndsTheSequenceInEveryState) {
  // While the sequence waits for a verifier.
  Add(FailsAt(2, absl::UnavailableError("died")));
  verifiers_.on_await = [this] { sequence_->Cancel(); };
  Make();
  EXPECT_THAT(Run(5), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(tokens_, Plain(2));
  // Before the sequence opens.
  verifiers_.down.clear();
  opens_.clear();
  Make().Cancel();
  EXPECT_THAT(Run(5), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(opens_, IsEmpty());
  // While the sequence moves.
  verifiers_.clients.push_back(std::make_shared<doubles::FakeVerifierClient>(
      doubles::FakeVerifierOptions{.address = "b", .on_call = [this](const std::string& call) {
                                     if (call == "verifier.open") sequence_->Cancel();
                                   }}));
  verifiers_.on_await = nullptr;
  Make();
  EXPECT_THAT(Run(5), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(MovingSequenceTest, ATreeTooLargeForTheNewVerifierIsNotSent) {
  Add(FailsAt(0, absl::UnavailableError("died")));
  Add({.max_tree_nodes = 1});
  Make();
  ASSERT_THAT(sequence_->Open(), IsOk());
  std::optional<DraftTree> tree = DraftTree::Root(4, kPrompt.back());
  for (const TokenId token : Plain(2)) {
    tree->tokens.push_back(token);
    tree->parents.push_back(tree->size() - 2);
  }
  const auto verified = sequence_->Verify(&tree);
  ASSERT_THAT(verified, IsOk());
  EXPECT_FALSE(tree.has_value());
  EXPECT_EQ(verified->tokens, Plain(1));
}

}  // namespace
}  // namespace recycling::gateway
