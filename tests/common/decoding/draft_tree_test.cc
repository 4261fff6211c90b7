#include "common/decoding/draft_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "0 -1 | 5 0 | 6 0 | 7 1": token and parent of each node.
DraftTree Tree(std::initializer_list<std::pair<TokenId, std::int32_t>> nodes) {
  DraftTree tree;
  for (const auto& [token, parent] : nodes) {
    tree.tokens.push_back(token);
    tree.parents.push_back(parent);
  }
  return tree;
}

void ExpectInvalid(const DraftTree& tree, const std::string& message) {
  const absl::Status status = ValidateTree(tree, 10, 4);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(ValidateTreeTest, AcceptsASingleRootAChainAStarAndAFullTree) {
  EXPECT_TRUE(ValidateTree(DraftTree::Root(3, 9), 10, 0).ok());
  EXPECT_TRUE(ValidateTree(Tree({{1, -1}, {2, 0}, {3, 1}, {4, 2}}), 10, 4).ok());
  EXPECT_TRUE(ValidateTree(Tree({{1, -1}, {2, 0}, {3, 0}, {4, 0}}), 10, 4).ok());
  EXPECT_TRUE(ValidateTree(Tree({{1, -1}, {2, 0}, {3, 0}, {2, 1}, {2, 2}}), 10, 4).ok());
}

TEST(ValidateTreeTest, RejectsEachBrokenRuleAndStatesTheActualAndTheExpectedValue) {
  ExpectInvalid(Tree({}), "got no nodes");
  ExpectInvalid(Tree({{1, -1}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}}),
                "got 5 nodes beside the root, expected at most 4");
  ExpectInvalid(Tree({{10, -1}}), "got token 10 at node 0, expected less than 10");
  ExpectInvalid(Tree({{1, 0}}), "got parent 0 for the root");
  ExpectInvalid(Tree({{1, -1}, {2, 1}}), "got parent 1 for node 1");
  ExpectInvalid(Tree({{1, -1}, {2, 0}, {3, 3}, {4, 2}}), "got parent 3 for node 2");
  ExpectInvalid(Tree({{1, -1}, {2, -1}}), "got parent -1 for node 1");
  ExpectInvalid(Tree({{1, -1}, {2, 0}, {3, 1}, {4, 0}}), "breadth-first");
  ExpectInvalid(Tree({{1, -1}, {2, 0}, {3, 0}, {2, 0}}), "got token 2 twice below node 0");
  DraftTree lengths = Tree({{1, -1}, {2, 0}});
  lengths.parents.pop_back();
  ExpectInvalid(lengths, "got 1 parents for 2 nodes");
  lengths = Tree({{1, -1}, {2, 0}});
  lengths.ranks = {0};
  ExpectInvalid(lengths, "got 1 ranks for 2 nodes");
  lengths.ranks = {};
  lengths.probabilities = {1};
  ExpectInvalid(lengths, "got 1 probabilities for 2 nodes");
  lengths.probabilities = {1, 1.5F};
  ExpectInvalid(lengths, "got probability 1.5, expected 0 to 1");
  lengths.probabilities = {1, std::numeric_limits<float>::quiet_NaN()};
  ExpectInvalid(lengths, "got probability nan");
}

TEST(CutTreeTest, KeepsTheParentOfEveryRemainingNode) {
  const DraftTree tree = Tree({{1, -1}, {2, 0}, {3, 0}, {2, 1}, {2, 2}, {4, 3}});
  EXPECT_THAT(NodeDepths(tree), ElementsAre(0, 1, 1, 2, 2, 3));
  EXPECT_THAT(CutTree(tree, 80, 2).tokens, ElementsAre(1, 2, 3, 2, 2));
  EXPECT_THAT(CutTree(tree, 3, 6).tokens, ElementsAre(1, 2, 3, 2));
  EXPECT_THAT(CutTree(tree, 80, 0).tokens, ElementsAre(1));
  EXPECT_THAT(CutTree(tree, 0, 6).tokens, ElementsAre(1));
  EXPECT_EQ(CutTree(tree, 80, 6), tree);
}

}  // namespace
}  // namespace recycling
