#include "drafter/tree/adaptive_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "drafter/sources/draft_sources.h"
#include "drafter/sources/ranked_row.h"
#include "drafter/tree/mixing_estimator.h"
#include "tests/doubles/matchers.h"
#include "tests/drafter/matrix/random_rows.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using ::testing::ElementsAre;

StepCosts Costs(std::vector<StepCosts::Point> points) {
  return *StepCosts::Create(std::move(points));
}
const std::vector<TokenId> kZero = {0};  // a root without tokens before it

StepCosts Free() { return Costs({{0, 1000}}); }

// Names the candidates in the row of the last token. The class of a candidate is its rank.
class RowSource final : public CandidateSource {
 public:
  explicit RowSource(const AdjacencyMatrix* matrix) : matrix_(matrix) {}
  DraftSource origin() const override { return DraftSource::kMatrix; }
  std::size_t classes() const override { return kRankClasses + 1; }
  double Prior(std::uint8_t) const override { return 0.5; }
  void Candidates(const DraftPath& path, SourceAnswer* answer) const override {
    std::array<TokenId, kMaxK> row;
    NameRow(std::span(row).first(matrix_->ReadRow(path.last(), row)), answer);
  }
  void Observe(const ObservedStep&) override {}

 private:
  const AdjacencyMatrix* const matrix_;
};

// Names `follower` after `token`.
class OneFollower final : public CandidateSource {
 public:
  OneFollower(TokenId token, TokenId follower) : token_(token), follower_(follower) {}
  DraftSource origin() const override { return DraftSource::kSequence; }
  std::size_t classes() const override { return 1; }
  double Prior(std::uint8_t) const override { return 0.5; }
  void Candidates(const DraftPath& path, SourceAnswer* answer) const override {
    if (path.last() == token_) answer->Name(follower_, 0);
  }
  void Observe(const ObservedStep&) override {}

 private:
  const TokenId token_, follower_;
};

CandidateSources RowsOf(const AdjacencyMatrix& matrix) {
  CandidateSources sources;
  sources.push_back(std::make_unique<RowSource>(&matrix));
  return sources;
}

// Returns the probabilities of a table, by depth (1, 2, 3, deeper) and class of the first source.
class TableEstimator final : public Estimator {
 public:
  static constexpr std::size_t kDepthBuckets = 4;
  using Table = std::array<std::array<double, kRankClasses + 1>, kDepthBuckets>;

  explicit TableEstimator(double probability) {
    for (auto& at_depth : table) at_depth.fill(probability);
  }
  static TableEstimator Random(std::mt19937& random) {
    std::uniform_real_distribution<double> uniform(0.01, 0.99);
    TableEstimator estimator(0);
    for (auto& at_depth : estimator.table) {
      for (double& p : at_depth) p = uniform(random);
    }
    return estimator;
  }

  double At(int depth, std::uint8_t rank) const {
    return table[std::min<std::size_t>(static_cast<std::size_t>(depth), kDepthBuckets) - 1][rank];
  }

  void Prepare() override {}
  void Estimate(int depth, std::span<Candidate> candidates) const override {
    for (Candidate& c : candidates) c.probability = At(depth, c.classes[0]);
  }
  void Learn(int, std::span<const Candidate>, TokenId) override {}
  void Publish() override {}

  Table table;
};

// Tries every tree below a node at `depth` whose path has the probability `probability`. For each
// number n of nodes, returns the expected numbers of accepted tokens of all trees with n nodes.
std::vector<std::vector<double>> AllTrees(const AdjacencyMatrix& matrix, const TableEstimator& p,
                                          TokenId token, double probability, int depth,
                                          int max_depth) {
  // sums[n]: the expected tokens of each tree with n nodes.
  std::vector<std::vector<double>> sums = {{0}};
  if (depth == max_depth) return sums;
  std::array<TokenId, kMaxK> row;
  const std::uint32_t size = matrix.ReadRow(token, row);
  for (std::uint8_t rank = 0; rank < size; ++rank) {
    const double child = probability * p.At(depth + 1, rank);
    const auto below = AllTrees(matrix, p, row[rank], child, depth + 1, max_depth);
    std::vector<std::vector<double>> with = sums;  // begins with the trees without this child
    with.resize(sums.size() + below.size());
    for (std::size_t a = 0; a < sums.size(); ++a) {
      for (std::size_t b = 0; b < below.size(); ++b) {
        for (const double left : sums[a]) {
          for (const double right : below[b]) with[a + b + 1].push_back(left + right + child);
        }
      }
    }
    sums = std::move(with);
  }
  return sums;
}

TEST(AdaptiveTreeTest, NoOtherTreeHasMoreExpectedTokensPerMicrosecond) {
  std::mt19937 random(11);
  AdaptiveTreeBuilder builder;
  int sizes_seen = 0;
  std::vector<bool> seen(32);
  for (int round = 0; round < 60; ++round) {
    const bool deep = round % 2 == 0;
    AdjacencyMatrix matrix(12, deep ? 2 : 3);
    FillRandomly(matrix, random);
    const int max_depth = deep ? 3 : 2;
    const TableEstimator p = TableEstimator::Random(random);
    std::uniform_int_distribution<std::uint32_t> step(0, round % 3 == 0 ? 150 : 600);
    std::vector<StepCosts::Point> points = {{0, 1000}};
    for (std::uint32_t n = 1; n < 14; n += 1 + static_cast<std::uint32_t>(random() % 3)) {
      points.push_back({n, points.back().micros + (random() % 2 == 0 ? 0 : step(random))});
    }
    const StepCosts costs = Costs(points);
    const int max_nodes = 1 + static_cast<int>(random() % 14);

    double best = 0;
    const auto all = AllTrees(matrix, p, 0, 1, 0, max_depth);
    for (std::size_t n = 0; n < all.size() && n <= static_cast<std::size_t>(max_nodes); ++n) {
      for (const double tokens : all[n]) {
        best = std::max(best, (1 + tokens) / costs.Micros(static_cast<int>(n)));
      }
    }
    const DraftTree tree = builder.Build(RowsOf(matrix), p, kZero, costs, max_nodes, max_depth);
    ASSERT_THAT(ValidateTree(tree, 12, max_nodes), IsOk());
    EXPECT_NEAR(builder.expected_tokens() / costs.Micros(tree.drafted()), best, best * 1e-12);
    // The expected tokens must equal the sum of the path probabilities over the tree.
    const std::vector<int> depths = NodeDepths(tree);
    std::vector<double> path(tree.tokens.size(), 1);
    double expected = 1;
    for (std::size_t i = 1; i < path.size(); ++i) {
      path[i] = path[static_cast<std::size_t>(tree.parents[i])] *
                p.At(depths[i], static_cast<std::uint8_t>(tree.ranks[i]));
      expected += path[i];
    }
    EXPECT_NEAR(builder.expected_tokens(), expected, 1e-12);
    if (!seen[static_cast<std::size_t>(tree.drafted())]) ++sizes_seen;
    seen[static_cast<std::size_t>(tree.drafted())] = true;
  }
  EXPECT_GE(sizes_seen, 5);  // the rounds must give trees of different sizes
}

TEST(AdaptiveTreeTest, NodesAreInBreadthFirstOrderWithRankAndSource) {
  AdjacencyMatrix matrix(12, 2);
  matrix.WriteRow(0, std::vector<TokenId>{1, 2});
  matrix.WriteRow(1, std::vector<TokenId>{3, 4});
  matrix.WriteRow(2, std::vector<TokenId>{5, 6});
  CandidateSources sources = RowsOf(matrix);
  sources.push_back(std::make_unique<OneFollower>(2, 9));
  TableEstimator p(0.1);
  p.table[0][1] = 0.9;
  p.table[1][kNotInRow] = 0.9;
  AdaptiveTreeBuilder builder;
  const DraftTree tree = builder.Build(sources, p, kZero, Free(), 5, 10);
  EXPECT_THAT(tree.tokens, ElementsAre(0, 1, 2, 5, 6, 9));
  EXPECT_THAT(tree.parents, ElementsAre(-1, 0, 0, 2, 2, 2));
  EXPECT_THAT(tree.ranks, ElementsAre(0, 0, 1, 0, 1, 2));
  constexpr DraftSourceSet kMatrix = SetOf(DraftSource::kMatrix);
  EXPECT_THAT(tree.sources,
              ElementsAre(0, kMatrix, kMatrix, kMatrix, kMatrix, SetOf(DraftSource::kSequence)));
  EXPECT_THAT(tree.probabilities, ElementsAre(1, 0.1F, 0.9F, 0.1F, 0.1F, 0.9F));
  EXPECT_EQ(tree.base, 0u);
  EXPECT_NEAR(builder.expected_tokens(), 1 + 0.9 + 0.81 + 0.1 + 0.09 + 0.09, 1e-12);
}

TEST(AdaptiveTreeTest, WithoutAUsefulNodeTheTreeIsOnlyTheRoot) {
  std::mt19937 random(2);
  AdjacencyMatrix matrix(30, 8);
  FillRandomly(matrix, random);
  AdaptiveTreeBuilder builder;
  const TableEstimator p(0.35);
  const std::vector<TokenId> root = {3};
  const auto tokens = [&](const StepCosts& costs, int max_nodes, int max_depth) {
    return builder.Build(RowsOf(matrix), p, root, costs, max_nodes, max_depth).tokens;
  };
  EXPECT_THAT(tokens(Costs({{0, 100}, {80, 8100}}), 80, 6), ElementsAre(3));
  EXPECT_THAT(tokens(Free(), 0, 6), ElementsAre(3));
  EXPECT_THAT(tokens(Free(), -1, 6), ElementsAre(3));
  EXPECT_THAT(tokens(Free(), 80, 0), ElementsAre(3));
  EXPECT_EQ(builder.expected_tokens(), 1);
  const AdjacencyMatrix cold(30, 8);
  EXPECT_THAT(builder.Build(RowsOf(cold), p, root, Free(), 80, 6).tokens, ElementsAre(3));
}

TEST(AdaptiveTreeTest, TreesKeepTheLimitsOfNodesAndDepth) {
  std::mt19937 random(5);
  AdjacencyMatrix matrix(300, 8);
  FillRandomly(matrix, random);
  AdaptiveTreeBuilder builder;
  TableEstimator chain(1e-6);
  for (auto& at_depth : chain.table) at_depth[0] = 0.99;
  const std::vector<TokenId> root = {3};
  for (const int depth : {1, 2, 7, 32, 1000}) {
    const DraftTree tree = builder.Build(RowsOf(matrix), chain, root, Free(), 80, depth);
    EXPECT_EQ(NodeDepths(tree).back(), std::min(depth, kMaxAdaptiveDepth));
  }
  for (const int nodes : {1, 2, 3, 17, 80, 1024}) {
    const DraftTree tree =
        builder.Build(RowsOf(matrix), TableEstimator::Random(random), root, Free(), nodes, 32);
    EXPECT_EQ(tree.drafted(), nodes);
    EXPECT_THAT(ValidateTree(tree, 300, nodes), IsOk());
  }
}

TEST(AdaptiveTreeTest, TreesAreValidWhileAnotherThreadWrites) {
  AdjacencyMatrix matrix(40, 8);
  std::mt19937 random(3);
  FillRandomly(matrix, random);
  PairMatrix pairs(8);
  MixingMemory shared;
  const CandidateSources sources = MakeSources(&matrix, &pairs);
  MixingEstimator estimator(sources, &shared);
  std::jthread writer([&](std::stop_token stop) {
    std::mt19937 writer_random(5);
    while (!stop.stop_requested()) {
      FillRandomly(matrix, writer_random);
      for (TokenId token = 0; token < 40; ++token) {
        const auto other = static_cast<TokenId>(writer_random() % 40);
        pairs.WriteRow(token, other, std::vector<TokenId>{token, (token + 1) % 40});
      }
      MixingEstimator(sources, &shared).Publish();
    }
  });
  AdaptiveTreeBuilder builder;
  for (TokenId i = 0; i < 2000; ++i) {
    estimator.Prepare();
    const std::vector<TokenId> committed = {i % 7, i % 40};
    const DraftTree tree = builder.Build(sources, estimator, committed, Free(), 80, 8);
    ASSERT_THAT(ValidateTree(tree, 40, 80), IsOk());
    ASSERT_EQ(tree.drafted(), 80);
    const std::vector<TokenId> seen = {i % 40, (i * 7) % 40};
    sources[2]->Observe({.rows = nullptr, .committed = seen, .fresh = 2});
  }
}

}  // namespace
}  // namespace recycling::drafter
