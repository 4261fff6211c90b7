#include "drafter/sources/committed_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(CommittedTokensTest, AppendAndDropLastChangeAKnownBase) {
  CommittedTokens committed({1, 2});
  EXPECT_EQ(committed.base(), std::nullopt) << "the sequence may have tokens before these";
  committed.set_base(10);
  committed.Append(3);
  EXPECT_THAT(committed.tokens(), ElementsAre(1, 2, 3));
  EXPECT_EQ(committed.base(), 11u);
  EXPECT_TRUE(committed.EndsWith(3));
  EXPECT_FALSE(committed.EndsWith(2));
  committed.DropLast(2);
  EXPECT_THAT(committed.tokens(), ElementsAre(1));
  EXPECT_EQ(committed.base(), 9u);
}

TEST(CommittedTokensTest, RestartKeepsOnlyTheNewToken) {
  CommittedTokens committed({1, 2});
  committed.set_base(2);
  committed.Restart(7);
  EXPECT_THAT(committed.tokens(), ElementsAre(7));
  EXPECT_EQ(committed.base(), std::nullopt);
  EXPECT_THAT(CommittedTokens().tokens(), IsEmpty());
  EXPECT_FALSE(CommittedTokens().EndsWith(0));
}

TEST(CommittedTokensTest, TrimDropsTheOldestTokensAboveTheBound) {
  CommittedTokens committed(std::vector<TokenId>(kMaxCommittedTokens, 1));
  committed.set_base(kMaxCommittedTokens);
  committed.Trim();
  EXPECT_EQ(committed.tokens().size(), kMaxCommittedTokens);
  committed.Append(2);
  committed.Trim();
  EXPECT_EQ(committed.tokens().size(), kMaxCommittedTokens / 2);
  EXPECT_TRUE(committed.EndsWith(2));
  EXPECT_EQ(committed.base(), kMaxCommittedTokens + 1);
}

}  // namespace
}  // namespace recycling::drafter
