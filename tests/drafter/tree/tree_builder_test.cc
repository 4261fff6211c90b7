#include "drafter/tree/tree_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "tests/doubles/matchers.h"
#include "tests/drafter/matrix/random_rows.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using ::testing::Each;
using ::testing::ElementsAre;

constexpr int kNoLimit = 1 << 20;

TreeTemplate Shape(const std::string& paths) { return *TreeTemplate::Parse("name test\n" + paths); }

AdjacencyMatrix& Fill(AdjacencyMatrix& matrix, const std::vector<std::vector<TokenId>>& rows) {
  for (std::size_t token = 0; token < rows.size(); ++token) {
    if (!rows[token].empty()) matrix.WriteRow(static_cast<TokenId>(token), rows[token]);
  }
  return matrix;
}

TEST(TreeBuilderTest, FollowsTheTemplateLevelByLevel) {
  AdjacencyMatrix matrix(6, 2);
  Fill(matrix, {{1, 2}, {3, 4}, {5, 0}, {0, 1}, {2, 3}, {4, 5}});
  const DraftTree tree = BuildTree(matrix, 0, Shape("0 1 0.0 0.1 1.1 0.1.0 1.1.1"), kNoLimit, 10);
  EXPECT_THAT(tree.tokens, ElementsAre(0, 1, 2, 3, 4, 0, 2, 2));
  EXPECT_THAT(tree.parents, ElementsAre(-1, 0, 0, 1, 1, 2, 4, 5));
  EXPECT_THAT(tree.ranks, ElementsAre(0, 0, 1, 0, 1, 1, 0, 1));
  EXPECT_EQ(tree.sources[0], 0);
  EXPECT_THAT(std::vector(tree.sources.begin() + 1, tree.sources.end()),
              Each(SetOf(DraftSource::kMatrix)));
  EXPECT_EQ(tree.base, 0u);
}

TEST(TreeBuilderTest, AnEmptyRowProposesNothingAndAShortRowProposesItsCandidates) {
  AdjacencyMatrix matrix(6, 3);
  Fill(matrix, {{1, 2, 3}, {}, {4}, {5, 0}});
  const DraftTree tree =
      BuildTree(matrix, 0, Shape("0 1 2 0.0 0.1 1.0 1.1 2.1 2.2 1.1.0 2.1.0"), kNoLimit, 10);
  EXPECT_THAT(tree.tokens, ElementsAre(0, 1, 2, 3, 4, 0, 1));
  EXPECT_THAT(tree.parents, ElementsAre(-1, 0, 0, 0, 2, 3, 5));
  EXPECT_THAT(BuildTree(matrix, 1, TreeTemplate::Paper80(), kNoLimit, 10).tokens, ElementsAre(1));
}

TEST(TreeBuilderTest, LimitsKeepTheFirstNodesInBreadthFirstOrder) {
  std::mt19937 random(7);
  AdjacencyMatrix matrix(50, 8);
  FillRandomly(matrix, random);
  const TreeTemplate& shape = TreeTemplate::Paper80();
  const DraftTree full = BuildTree(matrix, 3, shape, kNoLimit, kNoLimit);
  EXPECT_EQ(full.drafted(), 80);
  for (int nodes = -1; nodes <= 81; ++nodes) {
    for (int depth = -1; depth <= 7; ++depth) {
      EXPECT_EQ(BuildTree(matrix, 3, shape, nodes, depth), CutTree(full, nodes, depth))
          << nodes << " nodes, depth " << depth;
    }
  }
}

// A template path without a candidate gives no node and does not count towards the budget.
TEST(TreeBuilderTest, OnlyExistingNodesCountTowardsTheBudget) {
  AdjacencyMatrix matrix(6, 2);
  Fill(matrix, {{1, 2}, {}, {3, 4}});
  const TreeTemplate shape = Shape("0 1 0.0 0.1 1.0 1.1");
  EXPECT_THAT(BuildTree(matrix, 0, shape, 4, 10).tokens, ElementsAre(0, 1, 2, 3, 4));
}

TEST(TreeBuilderTest, TreesAreValidWhileAnotherThreadWrites) {
  AdjacencyMatrix matrix(40, 8);
  std::mt19937 random(3);
  FillRandomly(matrix, random);
  std::jthread writer([&matrix](std::stop_token stop) {
    std::mt19937 writer_random(5);
    while (!stop.stop_requested()) FillRandomly(matrix, writer_random);
  });
  for (TokenId i = 0; i < 2000; ++i) {
    const DraftTree tree = BuildTree(matrix, i % 40, TreeTemplate::Paper80(), 80, 6);
    ASSERT_THAT(ValidateTree(tree, 40, 80), IsOk());
    ASSERT_EQ(tree.drafted(), 80);
  }
}

}  // namespace
}  // namespace recycling::drafter
