#include "drafter/sources/history_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/drafter/sources/source_names.h"

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::uint8_t Class(FollowClass follow) { return static_cast<std::uint8_t>(follow); }

class HistorySourceTest : public ::testing::Test {
 protected:
  // Observes `tokens`, all of them fresh.
  void See(const std::vector<TokenId>& tokens) { See(tokens, tokens.size()); }
  void See(const std::vector<TokenId>& tokens, std::size_t fresh) {
    source_.Observe({.rows = nullptr, .committed = tokens, .fresh = fresh});
  }
  std::uint8_t OthersOf(TokenId token) const { return AnswerOf(source_, {token}).other_class; }

  HistorySource source_;
};

TEST_F(HistorySourceTest, NamesTheLastFollowerAndCountsItsRepetitions) {
  EXPECT_THAT(NamesOf(source_, {1}), IsEmpty());
  EXPECT_EQ(OthersOf(1), Class(FollowClass::kUnseen));
  See({1, 6});
  EXPECT_THAT(NamesOf(source_, {1}), ElementsAre(Pair(6, Class(FollowClass::kOnce))));
  EXPECT_EQ(OthersOf(1), Class(FollowClass::kOtherOnce));
  See({1, 6});
  EXPECT_THAT(NamesOf(source_, {1}), ElementsAre(Pair(6, Class(FollowClass::kTwice))));
  EXPECT_EQ(OthersOf(1), Class(FollowClass::kOtherOften));
  See({1, 6, 1, 6});
  EXPECT_THAT(NamesOf(source_, {1}), ElementsAre(Pair(6, Class(FollowClass::kOften))));
  See({1, 5});
  EXPECT_THAT(NamesOf(source_, {1}), ElementsAre(Pair(5, Class(FollowClass::kOnce))))
      << "a different follower starts a new count";
}

TEST_F(HistorySourceTest, LearnsOnlyWhichFreshTokensFollowTheTokenBefore) {
  See({1, 2, 3, 4}, 1);
  EXPECT_THAT(NamesOf(source_, {1}), IsEmpty());
  EXPECT_THAT(NamesOf(source_, {2}), IsEmpty());
  EXPECT_THAT(NamesOf(source_, {3}), ElementsAre(Pair(4, Class(FollowClass::kOnce))));
  See({}, 0);
  See({7}, 1);  // the token before 7 is unknown
  EXPECT_THAT(NamesOf(source_, {4}), IsEmpty());
}

TEST_F(HistorySourceTest, ThePriorRisesWithTheRepetitions) {
  EXPECT_LT(source_.Prior(Class(FollowClass::kOnce)), source_.Prior(Class(FollowClass::kTwice)));
  EXPECT_LT(source_.Prior(Class(FollowClass::kTwice)), source_.Prior(Class(FollowClass::kOften)));
}

}  // namespace
}  // namespace recycling::drafter
