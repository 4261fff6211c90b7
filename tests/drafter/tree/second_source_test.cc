// Adds a candidate source without changing the product. Its candidates must enter the tree, and the
// estimator must learn how often they are right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "drafter/sources/matrix_source.h"
#include "drafter/tree/mixing_estimator.h"
#include "drafter/tree/sequence_drafter.h"

namespace recycling::drafter {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

// Remembers the model's first candidate after each pair of tokens, also from rejected rows. The
// class is 0 if the source has seen the pair once, and 1 if it has seen the pair more often.
class LastPairSource final : public CandidateSource {
 public:
  DraftSource origin() const override { return DraftSource::kUnspecified; }
  std::size_t classes() const override { return 2; }
  double Prior(std::uint8_t) const override { return 0.3; }

  void Candidates(const DraftPath& path, SourceAnswer* answer) const override {
    const auto before = path.Before(1);
    if (!before.has_value()) return;
    const auto found = seen_.find({*before, path.last()});
    if (found == seen_.end()) return;
    answer->Name(found->second.first, found->second.second > 1 ? 1 : 0);
  }

  void Observe(const ObservedStep& step) override {
    if (step.rows == nullptr || step.rows->parents.empty()) return;
    const Observation& rows = *step.rows;
    for (std::size_t i = 0; i < rows.tokens.size(); ++i) {
      if (i == 0 && step.root == 0) continue;  // the token before the root is unknown
      const TokenId before = i == 0 ? step.committed[step.root - 1]
                                    : rows.tokens[static_cast<std::size_t>(rows.parents[i])];
      auto& [token, times] = seen_[{before, rows.tokens[i]}];
      token = rows.candidates.ids[i * rows.candidates.k];
      ++times;
    }
  }

 private:
  std::map<std::pair<TokenId, TokenId>, std::pair<TokenId, int>> seen_;
};

class SecondSourceTest : public ::testing::Test {
 protected:
  SecondSourceTest() : drafter_(Make()) {}

  SequenceDrafter Make() {
    CandidateSources sources;
    sources.push_back(std::make_unique<MatrixSource>(&matrix_));
    sources.push_back(std::make_unique<LastPairSource>());
    auto estimator = std::make_unique<MixingEstimator>(sources, &mixing_);
    return SequenceDrafter(std::move(sources), std::move(estimator), {1});
  }

  // Learns one step. The verifier has run the tree of `tokens` and `parents`, whose root is the
  // last committed token. It has accepted `path` and chosen `next` after it. Row i has the one
  // candidate `candidates[i]`.
  void Step(std::vector<TokenId> tokens, std::vector<std::int32_t> parents,
            std::vector<TokenId> candidates, std::vector<std::uint32_t> path, TokenId next) {
    base_ += path.size();
    const Observation rows = {.tokens = std::move(tokens),
                              .candidates = {1, std::move(candidates)},
                              .accepted_path = std::move(path),
                              .parents = std::move(parents)};
    ASSERT_TRUE(ValidateObservation(rows, 20, 1).ok());
    drafter_.Learn({.step = step_++, .observation = &rows, .next = {{base_, next}}});
  }

  DraftTree Propose(std::uint32_t step_micros = 1000, std::uint32_t node_micros = 0) {
    const StepCosts costs = *StepCosts::Create({{0, step_micros}, {1, step_micros + node_micros}});
    return drafter_.Propose(costs, 4, 4, 0);
  }

  AdjacencyMatrix matrix_{20, 1};
  MixingMemory mixing_;
  SequenceDrafter drafter_;
  std::uint64_t base_ = 1;
  std::uint64_t step_ = 1;
};

TEST_F(SecondSourceTest, ItsCandidatesEnterTheTree) {
  // After "1 2" the model's candidate is 7. After "3 2", in a rejected row, it is 9. The matrix row
  // of 2 keeps only 7, because the accepted path is written last.
  Step({1, 2, 3, 2}, {-1, 0, 0, 2}, {2, 7, 5, 9}, {0, 1}, 3);
  Step({3}, {-1}, {2}, {0}, 2);
  const DraftTree tree = Propose();
  EXPECT_EQ(tree.tokens[0], 2u);
  ASSERT_THAT(tree.tokens, Contains(9u));
  ASSERT_THAT(tree.tokens, Contains(7u));
  const auto source_of = [&](TokenId token) {
    const auto found = std::find(tree.tokens.begin(), tree.tokens.end(), token);
    return tree.sources[static_cast<std::size_t>(found - tree.tokens.begin())];
  };
  EXPECT_EQ(source_of(9), SetOf(DraftSource::kUnspecified));
  EXPECT_EQ(source_of(7), SetOf(DraftSource::kMatrix));
}

// The output repeats "3 2 9 1 2 7". The token after 2 depends on the token before 2. So
// LastPairSource is always right after 2, and the matrix, which knows only the token 2, is always
// wrong there.
TEST_F(SecondSourceTest, TheEstimatorLearnsHowOftenItIsRight) {
  constexpr std::array<TokenId, 6> kRound = {3, 2, 9, 1, 2, 7};
  const auto plain = [&](TokenId token, TokenId next) { Step({token}, {-1}, {next}, {0}, next); };
  const auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      for (std::size_t j = 0; j < 6; ++j) plain(kRound[j], kRound[(j + 1) % 6]);
    }
    plain(3, 2);
  };
  plain(1, 3);
  // With these costs the tree gets a node only if its probability is above 0.4.
  const auto tree = [&] { return Propose(1000, 400).tokens; };
  rounds(1);
  EXPECT_THAT(tree(), Not(Contains(9u))) << "the prior is too low";
  for (std::size_t j = 1; j < 6; ++j) plain(kRound[j], kRound[(j + 1) % 6]);
  rounds(100);
  EXPECT_THAT(tree(), ElementsAre(2, 9, 1, 2, 7));
}

}  // namespace
}  // namespace recycling::drafter
