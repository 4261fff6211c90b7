#include "drafter/tree/sequence_drafter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "drafter/sources/matrix_source.h"
#include "drafter/tree/estimator.h"

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint32_t kVocab = 20;
constexpr std::uint32_t kK = 2;

// The calls of a source, in order.
struct Calls {
  // Calls of Candidates, for example "1 2|3 4": the committed tokens before the root, then the
  // drafted path.
  std::vector<std::string> asked;
  // Calls of Observe, for example "1 2 3 +1 root 1": the committed tokens, how many of them are
  // fresh, and the index of row 0 in them. Without rows there is no index.
  std::vector<std::string> told;
};

// Names no candidates and records its calls.
class Recorder final : public CandidateSource {
 public:
  explicit Recorder(Calls* calls) : calls_(calls) {}
  DraftSource origin() const override { return DraftSource::kUnspecified; }
  std::size_t classes() const override { return 1; }
  double Prior(std::uint8_t) const override { return 0.5; }
  void Candidates(const DraftPath& path, SourceAnswer*) const override {
    calls_->asked.push_back(
        absl::StrCat(absl::StrJoin(path.committed, " "), "|", absl::StrJoin(path.drafted, " ")));
  }
  void Observe(const ObservedStep& step) override {
    calls_->told.push_back(absl::StrCat(absl::StrJoin(step.committed, " "), " +", step.fresh));
    if (step.rows != nullptr) absl::StrAppend(&calls_->told.back(), " root ", step.root);
  }

 private:
  Calls* const calls_;
};

// Estimates every candidate the same and records what it learns.
class TrialRecorder final : public Estimator {
 public:
  // For example "2: 5 6 -> 6": the depth, the candidates, and the token that the model chose.
  explicit TrialRecorder(std::vector<std::string>* trials) : trials_(trials) {}
  void Prepare() override {}
  void Estimate(int, std::span<Candidate> candidates) const override {
    for (Candidate& candidate : candidates) candidate.probability = 0.5;
  }
  void Learn(int depth, std::span<const Candidate> candidates, TokenId chosen) override {
    trials_->push_back(absl::StrCat(depth, ":"));
    for (const Candidate& candidate : candidates) {
      absl::StrAppend(&trials_->back(), " ", candidate.token);
    }
    absl::StrAppend(&trials_->back(), " -> ", chosen);
  }
  void Publish() override {}

 private:
  std::vector<std::string>* const trials_;
};

class SequenceDrafterTest : public ::testing::Test {
 protected:
  SequenceDrafterTest() { Open({}); }

  void Open(std::vector<TokenId> committed) {
    calls_ = {};
    trials_ = {};
    CandidateSources sources;
    sources.push_back(std::make_unique<MatrixSource>(&matrix_));
    sources.push_back(std::make_unique<Recorder>(&calls_));
    drafter_.emplace(std::move(sources), std::make_unique<TrialRecorder>(&trials_),
                     std::move(committed));
  }

  // Returns a step with the accepted tokens `path`. Every row has the candidates `row`.
  static Observation Step(const std::vector<TokenId>& path, const std::vector<TokenId>& row) {
    Observation observation{.tokens = path, .candidates = {.k = kK, .ids = {}}};
    for (std::uint32_t i = 0; i < path.size(); ++i) {
      observation.accepted_path.push_back(i);
      observation.candidates.ids.insert(observation.candidates.ids.end(), row.begin(), row.end());
    }
    return observation;
  }

  void Learn(std::uint64_t step, const Observation& observation,
             std::optional<NextRoot> next = std::nullopt) {
    drafter_->Learn({.step = step, .observation = &observation, .next = next});
  }
  void Learn(std::uint64_t step, NextRoot next) { drafter_->Learn({.step = step, .next = next}); }

  AdjacencyMatrix matrix_{kVocab, kK};
  std::vector<std::string> trials_;
  Calls calls_;
  std::optional<SequenceDrafter> drafter_;
};

// The root 1 has the candidates 5 and 6, and node 5 has 2 and 3. The model chose 5, then 9.
TEST_F(SequenceDrafterTest, OnlyCandidatesOfAcceptedNodesAreTrials) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  matrix_.WriteRow(5, std::vector<TokenId>{2, 3});
  matrix_.WriteRow(6, std::vector<TokenId>{4, 7});
  Observation step = Step({1, 5, 6}, {0, 1});  // 6 was drafted and not accepted
  step.accepted_path = {0, 1};
  Learn(1, step, NextRoot{.base = 3, .root = 9});
  EXPECT_THAT(trials_, ElementsAre("1: 5 6 -> 5", "2: 2 3 -> 9"));
}

// A step without a tree, or with a tree that was cut or ignored, also gives trials for the emitted
// tokens.
TEST_F(SequenceDrafterTest, APlainStepGivesTheSameTrialsAsATree) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  Learn(1, Step({1}, {0, 2}), NextRoot{.base = 2, .root = 6});
  EXPECT_THAT(trials_, ElementsAre("1: 5 6 -> 6"));
}

TEST_F(SequenceDrafterTest, ATokenThatArrivesWithTheNextStepCountsOnce) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  Learn(1, Step({1}, {0, 2}));
  EXPECT_THAT(trials_, IsEmpty());
  Learn(2, Step({5}, {0, 2}));
  EXPECT_THAT(trials_, ElementsAre("1: 5 6 -> 5"));
  Learn(3, Step({7}, {0, 2}));
  EXPECT_THAT(trials_, ElementsAre("1: 5 6 -> 5", "1: -> 7"));
}

// Token 1 is on the path twice. Both trials use the row from before the step.
TEST_F(SequenceDrafterTest, AStepIsCountedBeforeItsRowsAreWritten) {
  matrix_.WriteRow(1, std::vector<TokenId>{1, 6});
  Learn(1, Step({1, 1}, {0, 2}), NextRoot{.base = 3, .root = 1});
  EXPECT_THAT(trials_, ElementsAre("1: 1 6 -> 1", "2: 1 6 -> 1"));
}

TEST_F(SequenceDrafterTest, SourcesGetTheCommittedTokensAndThePath) {
  Open({1, 2, 3});
  Learn(0, NextRoot{.base = 3, .root = 3});
  Learn(1, Step({3, 4}, {0, 2}), NextRoot{.base = 5, .root = 5});
  EXPECT_THAT(calls_.asked, ElementsAre("1 2|3", "1 2|3 4"));
  calls_ = {};
  matrix_.WriteRow(5, std::vector<TokenId>{6, 7});
  const StepCosts free = *StepCosts::Create({{0, 1000}});
  EXPECT_THAT(drafter_->Propose(free, 2, 2, 0).tokens, ElementsAre(5, 6, 7));
  EXPECT_EQ(calls_.asked.at(0), "1 2 3 4|5");
  EXPECT_EQ(calls_.asked.at(1), "1 2 3 4|5 6");
}

TEST_F(SequenceDrafterTest, SourcesGetTheNumberOfFreshTokens) {
  Open({1, 2, 3});
  Learn(0, NextRoot{.base = 3, .root = 3});
  EXPECT_THAT(calls_.told, ElementsAre("1 2 3 +3"));
  Learn(1, Step({3, 4}, {0, 2}), NextRoot{.base = 5, .root = 5});
  Learn(2, Step({5}, {0, 2}));
  Learn(3, Step({6}, {0, 2}), NextRoot{.base = 7, .root = 7});
  EXPECT_THAT(calls_.told, ElementsAre("1 2 3 +3",             //
                                       "1 2 3 4 5 +2 root 2",  //
                                       "1 2 3 4 5 +0 root 4",  //
                                       "1 2 3 4 5 6 +1",       //
                                       "1 2 3 4 5 6 7 +1 root 5"));
}

TEST_F(SequenceDrafterTest, PromptRowsBringNoCommittedTokens) {
  const Observation prompt = {
      .tokens = {7, 8, 9}, .candidates = {kK, {1, 2, 3, 4, 5, 6}}, .accepted_path = {}};
  drafter_->Learn({.step = 0, .prompt = &prompt, .next = NextRoot{.base = 4, .root = 1}});
  EXPECT_THAT(calls_.told, ElementsAre(" +0", " +0 root 0", "1 +1"));
  std::vector<TokenId> row(kK);
  EXPECT_EQ(matrix_.ReadRow(8, row), 2u);
}

// The session opens in the middle of a request. Its first message has a step whose tokens are
// already among the committed tokens of the open message.
TEST_F(SequenceDrafterTest, ALateSessionLearnsItsFirstStepOnce) {
  Open({1, 2, 3, 4, 5});
  Learn(7, Step({3, 4}, {0, 2}), NextRoot{.base = 5, .root = 5});
  EXPECT_THAT(calls_.asked, ElementsAre("1 2|3", "1 2|3 4"));
  EXPECT_THAT(calls_.told, ElementsAre("1 2 3 +3", "1 2 3 4 5 +2 root 2"));
  Open({1, 2, 3, 4, 5});
  Learn(7, Step({3, 4}, {0, 2}));
  EXPECT_THAT(calls_.told, ElementsAre("1 2 3 +3", "1 2 3 4 +1 root 2"))
      << "without a next root, token 5 is not certain yet";
}

TEST_F(SequenceDrafterTest, SeveralPlainStepsMayArriveAsOneChain) {
  Open({1});
  Learn(0, NextRoot{.base = 1, .root = 1});
  Learn(1, Step({1}, {0, 2}));
  Learn(4, Step({2, 3, 4}, {0, 2}));
  EXPECT_THAT(calls_.told, ElementsAre("1 +1", "1 +0 root 0", "1 2 +1", "1 2 3 4 +2 root 1"));
}

class LostMessagesTest : public SequenceDrafterTest {
 protected:
  LostMessagesTest() {
    Open({1});
    Learn(0, NextRoot{.base = 1, .root = 1});
  }
};

TEST_F(LostMessagesTest, AGapInTheStepNumbersRestartsTheCommittedTokens) {
  matrix_.WriteRow(1, std::vector<TokenId>{5, 6});
  Learn(1, Step({1}, {0, 2}));
  Learn(3, Step({9}, {0, 2}));
  EXPECT_THAT(calls_.told, ElementsAre("1 +1", "1 +0 root 0", "9 +1", "9 +0 root 0"));
  EXPECT_THAT(trials_, IsEmpty());
}

TEST_F(LostMessagesTest, AGapInTheBaseRestartsTheCommittedTokens) {
  Learn(1, Step({1}, {0, 2}));
  Learn(2, Step({9}, {0, 2}), NextRoot{.base = 9, .root = 4});
  EXPECT_THAT(calls_.told, ElementsAre("1 +1", "1 +0 root 0", "9 +1", "9 4 +1 root 0"));
  Learn(3, Step({4}, {0, 2}), NextRoot{.base = 10, .root = 5});
  EXPECT_EQ(calls_.told.back(), "9 4 5 +1 root 1") << "after the restart the base is known again";
}

TEST_F(LostMessagesTest, AMatchingBaseIsAcceptedDespiteAGapInTheStepNumbers) {
  Learn(1, Step({1}, {0, 2}));
  Learn(9, Step({2, 3}, {0, 2}), NextRoot{.base = 4, .root = 4});
  EXPECT_THAT(calls_.told, ElementsAre("1 +1", "1 +0 root 0", "1 2 +1", "1 2 3 4 +2 root 1"));
}

TEST_F(LostMessagesTest, ARootWithoutAStepCanGiveTheMissingToken) {
  Learn(1, Step({1}, {0, 2}));
  Learn(2, NextRoot{.base = 2, .root = 8});
  EXPECT_THAT(calls_.told, ElementsAre("1 +1", "1 +0 root 0", "1 8 +1"));
  Learn(3, NextRoot{.base = 7, .root = 3});
  EXPECT_THAT(calls_.told, ElementsAre("1 +1", "1 +0 root 0", "1 8 +1", "3 +1"))
      << "the tokens before this root are unknown";
  Learn(4, Step({3}, {0, 2}), NextRoot{.base = 8, .root = 4});
  EXPECT_EQ(calls_.told.back(), "3 4 +1 root 0");
}

}  // namespace
}  // namespace recycling::drafter
