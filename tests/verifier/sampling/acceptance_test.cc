#include "verifier/sampling/acceptance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "tests/doubles/matchers.h"

namespace recycling::verifier {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint32_t kVocab = 10;
constexpr TokenId kEos = 9;

DraftTree Tree(std::initializer_list<std::pair<TokenId, std::int32_t>> nodes) {
  DraftTree tree;
  tree.base = 3;
  for (const auto& [token, parent] : nodes) {
    tree.tokens.push_back(token);
    tree.parents.push_back(parent);
  }
  return tree;
}

// Accept() runs AcceptPath with a model that prefers choices[node] at each node of `choices`. The
// test fails if AcceptPath reads the logits of a node that is not in `choices`.
class AcceptPathTest : public ::testing::Test {
 protected:
  absl::StatusOr<AcceptedPath> Accept(const DraftTree& tree, std::map<int, TokenId> choices,
                                      const SamplingOptions& options = {},
                                      PathConstraint* constraint = nullptr) {
    const std::vector<TokenId> eos = {kEos};
    const auto rules = SamplingRules::Create(options, eos, kVocab);
    EXPECT_THAT(rules, IsOk());
    std::map<int, std::vector<float>> rows;
    for (const auto& [node, token] : choices) {
      rows[node].assign(kVocab, 0);
      rows[node][token] = 1;
    }
    const auto logits = [&rows](int node) -> std::span<const float> {
      EXPECT_TRUE(rows.contains(node)) << "node " << node << " is not on the path";
      return rows[node];
    };
    return AcceptPath(tree, {prompt_, generated_, {}}, *rules, logits, scratch_, constraint);
  }

  std::vector<TokenId> prompt_ = {4, 5};
  std::vector<TokenId> generated_ = {1};
  SamplerScratch scratch_;
};

TEST_F(AcceptPathTest, APlainStepGivesOneToken) {
  const auto accepted = Accept(DraftTree::Root(3, 1), {{0, 7}});
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(7));
  EXPECT_THAT(accepted->nodes, IsEmpty());
  EXPECT_FALSE(accepted->stopped);
}

TEST_F(AcceptPathTest, AcceptsThePathOnWhichTheModelAgrees) {
  const DraftTree tree = Tree({{1, -1}, {2, 0}, {3, 0}, {5, 1}, {5, 2}, {6, 2}, {8, 4}, {8, 5}});
  auto accepted = Accept(tree, {{0, 3}, {2, 6}, {5, 8}, {7, 0}});
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(3, 6, 8, 0));
  EXPECT_THAT(accepted->nodes, ElementsAre(2, 5, 7));

  accepted = Accept(tree, {{0, 2}, {1, 6}});
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(2, 6));
  EXPECT_THAT(accepted->nodes, ElementsAre(1));

  accepted = Accept(tree, {{0, 7}});
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(7));
  EXPECT_THAT(accepted->nodes, IsEmpty());
}

TEST_F(AcceptPathTest, NothingFollowsAnEndOfSequenceInsideTheTree) {
  const DraftTree tree = Tree({{1, -1}, {2, 0}, {kEos, 1}, {3, 2}});
  auto accepted = Accept(tree, {{0, 2}, {1, kEos}});
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(2, kEos));
  EXPECT_THAT(accepted->nodes, ElementsAre(1));
  EXPECT_TRUE(accepted->stopped);

  SamplingOptions ignore;
  ignore.ignore_eos = true;
  accepted = Accept(tree, {{0, 2}, {1, kEos}, {2, 3}, {3, 3}}, ignore);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(2, kEos, 3, 3));
  EXPECT_FALSE(accepted->stopped);
}

TEST_F(AcceptPathTest, AStopTokenEndsTheOutputLikeEndOfSequence) {
  SamplingOptions options;
  options.stop_token_ids = {2};
  const auto accepted = Accept(Tree({{1, -1}, {2, 0}, {3, 1}}), {{0, 2}}, options);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(2));
  EXPECT_THAT(accepted->nodes, IsEmpty());
  EXPECT_TRUE(accepted->stopped);
}

TEST_F(AcceptPathTest, PenaltiesCountTheTokensOnThePathToTheNode) {
  // The model prefers token 2. When the token is on the path, the penalty lowers its logit from 1
  // to -1.
  SamplingOptions options;
  options.presence_penalty = 2;
  const DraftTree tree = Tree({{1, -1}, {2, 0}, {2, 1}});
  auto accepted = Accept(tree, {{0, 2}, {1, 2}}, options);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(2, 0));

  generated_ = {2};
  accepted = Accept(tree, {{0, 2}}, options);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(0));
}

TEST_F(AcceptPathTest, MinTokensCountsTheTokensOnThePathToTheNode) {
  SamplingOptions options;
  options.min_tokens = 3;  // one token was emitted before
  const DraftTree tree = Tree({{1, -1}, {0, 0}, {0, 1}});
  const auto accepted = Accept(tree, {{0, kEos}, {1, kEos}, {2, kEos}}, options);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(0, 0, kEos));
  EXPECT_TRUE(accepted->stopped);
}

TEST_F(AcceptPathTest, SamplingIsKeyedByAbsolutePosition) {
  SamplingOptions options;
  options.temperature = 1;
  options.seed = 11;
  const std::vector<float> flat(kVocab, 0);
  const auto rules = *SamplingRules::Create(options, {}, kVocab);
  const auto logits = [&](int) -> std::span<const float> { return flat; };
  // Plain steps give the same tokens as one deep tree from the same position.
  std::vector<TokenId> plain = generated_;
  while (plain.size() < 6) {
    const auto base = static_cast<std::uint32_t>(prompt_.size() + plain.size());
    const auto step = AcceptPath(DraftTree::Root(base, plain.back()), {prompt_, plain, {}}, rules,
                                 logits, scratch_);
    ASSERT_THAT(step, IsOk());
    plain.push_back(step->tokens[0]);
  }
  DraftTree chain = Tree({{plain[0], -1}, {plain[1], 0}, {plain[2], 1}, {plain[3], 2}});
  const auto accepted = AcceptPath(chain, {prompt_, generated_, {}}, rules, logits, scratch_);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(plain[1], plain[2], plain[3], plain[4]));
}

TEST_F(AcceptPathTest, LogitsThatAreNotFiniteAreAnInternalError) {
  const auto rules = *SamplingRules::Create({}, {}, kVocab);
  std::vector<float> row(kVocab, std::numeric_limits<float>::quiet_NaN());
  const auto logits = [&](int) -> std::span<const float> { return row; };
  const auto accepted =
      AcceptPath(DraftTree::Root(3, 1), {prompt_, generated_, {}}, rules, logits, scratch_);
  EXPECT_THAT(accepted, StatusIs(absl::StatusCode::kInternal));
}

// Allows 6 after an even token, 7 after an odd one; 9 ends.
class EvenOdd final : public PathConstraint {
 public:
  absl::StatusOr<TokenSet> AllowedAfter(std::span<const TokenId> path) override {
    words_ = {path.empty() || path.back() % 2 == 1 ? (1u << 6) | (1u << 9) : 1u << 7};
    return TokenSet(words_);
  }
  bool Ends(TokenId token) const override { return token == 9; }

 private:
  std::vector<std::uint64_t> words_;
};

TEST_F(AcceptPathTest, AConstraintMasksEachNodeByItsPath) {
  EvenOdd constraint;
  // The model prefers 2 everywhere. It is never allowed.
  const DraftTree tree = Tree({{1, -1}, {2, 0}, {6, 0}, {6, 2}, {7, 2}, {6, 4}});
  auto accepted = Accept(tree, {{0, 2}, {2, 2}, {4, 2}, {5, 2}}, {}, &constraint);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(6, 7, 6, 7));
  EXPECT_THAT(accepted->nodes, ElementsAre(2, 4, 5));
  EXPECT_FALSE(accepted->stopped);
  accepted = Accept(Tree({{1, -1}, {9, 0}}), {{0, 9}}, {}, &constraint);
  ASSERT_THAT(accepted, IsOk());
  EXPECT_THAT(accepted->tokens, ElementsAre(9)) << "a token that ends is never followed";
  EXPECT_TRUE(accepted->stopped);
}

}  // namespace
}  // namespace recycling::verifier
