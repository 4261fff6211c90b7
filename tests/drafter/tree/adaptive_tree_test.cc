#include "drafter/tree/adaptive_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "tests/doubles/matchers.h"
#include "tests/drafter/matrix/random_rows.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using ::testing::ElementsAre;

StepCosts Costs(std::vector<StepCosts::Point> points) {
  return *StepCosts::Create(std::move(points));
}
StepCosts Free() { return Costs({{0, 1000}}); }

AcceptanceTable Random(std::mt19937& random) {
  std::uniform_real_distribution<double> uniform(0.01, 0.99);
  AcceptanceTable table;
  for (auto& at_depth : table) {
    for (double& p : at_depth) p = uniform(random);
  }
  return table;
}

// For every size the most expected tokens below a node at `depth` whose path has this probability,
// by trying every prefix-closed set of its descendants.
std::vector<std::vector<double>> AllTrees(const AdjacencyMatrix& matrix, const AcceptanceTable& p,
                                          TokenId token, double probability, int depth,
                                          int max_depth) {
  // sums[n]: expected tokens of each set of n nodes.
  std::vector<std::vector<double>> sums = {{0}};
  if (depth == max_depth) return sums;
  std::array<Candidate, kMaxCandidates> out;
  const std::size_t size = SequenceHistory().CandidatesOf(matrix, token, out);
  for (std::size_t i = 0; i < size; ++i) {
    const double child = probability * p[DepthBucket(depth + 1)][out[i].candidate_class];
    const auto below = AllTrees(matrix, p, out[i].token, child, depth + 1, max_depth);
    std::vector<std::vector<double>> with = sums;  // without this child
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

TEST(AdaptiveTreeTest, NoTreeIsExpectedToPayMore) {
  std::mt19937 random(11);
  AdaptiveTreeBuilder builder;
  int sizes_seen = 0;
  std::vector<bool> seen(32);
  for (int round = 0; round < 60; ++round) {
    const bool deep = round % 2 == 0;
    AdjacencyMatrix matrix(12, deep ? 2 : 3);
    FillRandomly(matrix, random);
    const int max_depth = deep ? 3 : 2;
    const AcceptanceTable p = Random(random);
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
    const DraftTree tree = builder.Build(matrix, {}, p, 0, costs, max_nodes, max_depth);
    ASSERT_THAT(ValidateTree(tree, 12, max_nodes), IsOk());
    EXPECT_NEAR(builder.expected_tokens() / costs.Micros(tree.drafted()), best, best * 1e-12);
    // What it expects is what the tree says.
    const std::vector<int> depths = NodeDepths(tree);
    std::vector<double> path(tree.tokens.size(), 1);
    double expected = 1;
    for (std::size_t i = 1; i < path.size(); ++i) {
      path[i] = path[static_cast<std::size_t>(tree.parents[i])] *
                p[DepthBucket(depths[i])][ClassOf(Evidence::kUnseen, tree.ranks[i])];
      expected += path[i];
    }
    EXPECT_NEAR(builder.expected_tokens(), expected, 1e-12);
    if (!seen[static_cast<std::size_t>(tree.drafted())]) ++sizes_seen;
    seen[static_cast<std::size_t>(tree.drafted())] = true;
  }
  EXPECT_GE(sizes_seen, 5);  // the rounds are not all alike
}

TEST(AdaptiveTreeTest, NodesStandBreadthFirstWithRankAndSource) {
  AdjacencyMatrix matrix(12, 2);
  matrix.WriteRow(0, std::vector<TokenId>{1, 2});
  matrix.WriteRow(1, std::vector<TokenId>{3, 4});
  matrix.WriteRow(2, std::vector<TokenId>{5, 6});
  SequenceHistory history;
  history.ObservePrompt(std::vector<TokenId>{2, 9});
  AcceptanceTable p;
  for (auto& at_depth : p) at_depth.fill(0.1);
  p[0][ClassOf(Evidence::kUnseen, 1)] = 0.9;
  p[1][ClassOf(Evidence::kFollowedOnce, 1)] = 0.9;
  AdaptiveTreeBuilder builder;
  const DraftTree tree = builder.Build(matrix, history, p, 0, Free(), 5, 10);
  EXPECT_THAT(tree.tokens, ElementsAre(0, 1, 2, 5, 6, 9));
  EXPECT_THAT(tree.parents, ElementsAre(-1, 0, 0, 2, 2, 2));
  EXPECT_THAT(tree.ranks, ElementsAre(0, 0, 1, 0, 1, 2));
  EXPECT_THAT(tree.sources,
              ElementsAre(DraftSource::kUnspecified, DraftSource::kMatrix, DraftSource::kMatrix,
                          DraftSource::kMatrix, DraftSource::kMatrix, DraftSource::kSequence));
  EXPECT_EQ(tree.base, 0u);
  EXPECT_NEAR(builder.expected_tokens(), 1 + 0.9 + 0.81 + 0.1 + 0.09 + 0.09, 1e-12);
}

TEST(AdaptiveTreeTest, WhereNothingPaysTheRootStaysAlone) {
  std::mt19937 random(2);
  AdjacencyMatrix matrix(30, 8);
  FillRandomly(matrix, random);
  AdaptiveTreeBuilder builder;
  const AcceptanceTable p = Estimate({}, {});
  EXPECT_THAT(builder.Build(matrix, {}, p, 3, Costs({{0, 100}, {80, 8100}}), 80, 6).tokens,
              ElementsAre(3));
  EXPECT_THAT(builder.Build(matrix, {}, p, 3, Free(), 0, 6).tokens, ElementsAre(3));
  EXPECT_THAT(builder.Build(matrix, {}, p, 3, Free(), -1, 6).tokens, ElementsAre(3));
  EXPECT_THAT(builder.Build(matrix, {}, p, 3, Free(), 80, 0).tokens, ElementsAre(3));
  EXPECT_EQ(builder.expected_tokens(), 1);
  const AdjacencyMatrix cold(30, 8);
  EXPECT_THAT(builder.Build(cold, {}, p, 3, Free(), 80, 6).tokens, ElementsAre(3));
}

TEST(AdaptiveTreeTest, LimitsHold) {
  std::mt19937 random(5);
  AdjacencyMatrix matrix(300, 8);
  FillRandomly(matrix, random);
  AdaptiveTreeBuilder builder;
  AcceptanceTable chain;
  for (auto& at_depth : chain) at_depth.fill(1e-6);
  for (auto& at_depth : chain) at_depth[ClassOf(Evidence::kUnseen, 0)] = 0.99;
  for (const int depth : {1, 2, 7, 32, 1000}) {
    const DraftTree tree = builder.Build(matrix, {}, chain, 3, Free(), 80, depth);
    EXPECT_EQ(NodeDepths(tree).back(), std::min(depth, kMaxAdaptiveDepth));
  }
  for (const int nodes : {1, 2, 3, 17, 80, 1024}) {
    const DraftTree tree = builder.Build(matrix, {}, Random(random), 3, Free(), nodes, 32);
    EXPECT_EQ(tree.drafted(), nodes);
    EXPECT_THAT(ValidateTree(tree, 300, nodes), IsOk());
  }
}

TEST(AdaptiveTreeTest, TreesAreValidWhileOthersWrite) {
  AdjacencyMatrix matrix(40, 8);
  std::mt19937 random(3);
  FillRandomly(matrix, random);
  std::jthread writer([&matrix](std::stop_token stop) {
    std::mt19937 writer_random(5);
    while (!stop.stop_requested()) {
      FillRandomly(matrix, writer_random);
      matrix.acceptance().Add(std::vector<Trial>{{0, 0, true}});
    }
  });
  AdaptiveTreeBuilder builder;
  SequenceHistory history;
  for (TokenId i = 0; i < 2000; ++i) {
    const AcceptanceTable p = Estimate(matrix.acceptance().Read(), history.counts());
    const DraftTree tree = builder.Build(matrix, history, p, i % 40, Free(), 80, 8);
    ASSERT_THAT(ValidateTree(tree, 40, 80), IsOk());
    ASSERT_EQ(tree.drafted(), 80);
    history.ObservePrompt(std::vector<TokenId>{i % 40, (i * 7) % 40});
  }
}

}  // namespace
}  // namespace recycling::drafter
