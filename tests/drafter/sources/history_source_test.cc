#include "drafter/sources/history_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "tests/drafter/sources/source_names.h"

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class HistorySourceTest : public ::testing::Test {
 protected:
  // Adds `tokens` to the sequence.
  void See(const std::vector<TokenId>& tokens) {
    committed_.insert(committed_.end(), tokens.begin(), tokens.end());
    source_.Observe({.committed = committed_, .fresh = tokens.size()});
  }
  // Begins a new run of tokens.
  void Restart(const std::vector<TokenId>& tokens) {
    committed_.clear();
    See(tokens);
  }
  // The answer after the last committed token and `drafted`.
  SourceAnswer After(const std::vector<TokenId>& drafted = {}) const {
    std::vector<TokenId> path = {committed_.back()};
    path.insert(path.end(), drafted.begin(), drafted.end());
    SourceAnswer answer;
    source_.Candidates(
        {.committed = std::span(committed_).first(committed_.size() - 1), .drafted = path},
        &answer);
    return answer;
  }
  Names NamesAfter(const std::vector<TokenId>& drafted = {}) const {
    return ListOf(After(drafted));
  }

  HistorySource source_;
  std::vector<TokenId> committed_;
};

TEST_F(HistorySourceTest, ANewTokenHasNoMatch) {
  See({1, 2, 3});
  EXPECT_THAT(NamesAfter(), IsEmpty());
  EXPECT_EQ(After().other_class, kNoMatchClass);
}

TEST_F(HistorySourceTest, NamesTheFollowerOfTheLastTokenAndTheSecondOne) {
  See({1, 6, 2, 1, 5, 3, 1});
  EXPECT_THAT(NamesAfter(),
              ElementsAre(Pair(5, FollowedClass(1, false)), Pair(6, OtherFollowedClass(1))));
  EXPECT_EQ(After().other_class, OtherFollowedClass(1));
  See({5, 4, 1});
  EXPECT_THAT(NamesAfter(),
              ElementsAre(Pair(5, FollowedClass(1, true)), Pair(6, OtherFollowedClass(1))))
      << "5 followed twice in a row";
}

TEST_F(HistorySourceTest, FollowersOfShorterMatchesComeAfterTheLongestOne) {
  See({1, 2, 7, 2, 8, 3, 2, 9, 1, 2});
  // "1 2" was followed by 7, and "2" most recently by 9 and before that by 8.
  EXPECT_THAT(NamesAfter(),
              ElementsAre(Pair(7, FollowedClass(2, false)), Pair(9, ShorterFollowedClass(1)),
                          Pair(8, OtherFollowedClass(2))));
}

TEST_F(HistorySourceTest, TheLengthOfAMatchIsCountedBeyondThreeTokens) {
  See({1, 2, 3, 4, 5, 6, 7, 8});
  See({9, 1, 2, 3, 4, 5});
  EXPECT_THAT(NamesAfter(), ElementsAre(Pair(6, FollowedClass(5, false))));
  See({6});
  EXPECT_THAT(NamesAfter(), ElementsAre(Pair(7, FollowedClass(6, false))));
  See({9});
  EXPECT_THAT(NamesAfter(), ElementsAre(Pair(1, FollowedClass(1, false))));
}

TEST_F(HistorySourceTest, ADraftedPathFollowsTheMatch) {
  See({1, 2, 3, 4, 5, 6, 9, 1, 2, 3});
  EXPECT_THAT(NamesAfter({4}), ElementsAre(Pair(5, FollowedClass(4, false))));
  EXPECT_THAT(NamesAfter({4, 5}), ElementsAre(Pair(6, FollowedClass(5, false))));
  EXPECT_THAT(NamesAfter({4, 5, 6, 9, 1, 2, 3}), ElementsAre(Pair(4, FollowedClass(3, false))))
      << "the match ends with the sequence, so the last three tokens count";
  EXPECT_THAT(NamesAfter({1}), ElementsAre(Pair(2, FollowedClass(1, true))))
      << "a token that leaves the match begins another one";
  EXPECT_THAT(NamesAfter({8}), IsEmpty());
}

TEST_F(HistorySourceTest, TheLongestOfSeveralMatchesCounts) {
  See({5, 1, 2, 3, 4, 7, 6, 2, 3, 4, 8});
  See({9, 1, 2, 3, 4});
  // "2 3 4" was last followed by 8. "1 2 3 4" was followed by 7.
  EXPECT_THAT(NamesAfter(),
              ElementsAre(Pair(7, FollowedClass(4, false)), Pair(8, ShorterFollowedClass(3))));
}

TEST_F(HistorySourceTest, AcrossAGapNoTokenFollowsAnother) {
  See({1, 2});
  Restart({3, 2, 4, 1});
  EXPECT_THAT(NamesAfter(), ElementsAre(Pair(2, FollowedClass(1, false))))
      << "the old run is known";
  See({2});
  EXPECT_THAT(NamesAfter(), ElementsAre(Pair(4, FollowedClass(1, false))));
  Restart({7});
  See({2});
  EXPECT_THAT(NamesAfter(), ElementsAre(Pair(4, FollowedClass(1, false))));
  Restart({9, 2});
  EXPECT_THAT(NamesAfter(), ElementsAre(Pair(4, FollowedClass(1, false))))
      << "7 2 and then 9: 9 does not follow 2";
}

TEST_F(HistorySourceTest, PiecesOfThePromptAreNotLearntAgain) {
  See({1, 2, 1});
  const Observation piece = {
      .tokens = {1, 5}, .candidates = {1, {0, 0}}, .accepted_path = {}, .parents = {-1, 0}};
  source_.Observe({.rows = &piece});
  EXPECT_THAT(NamesAfter(), ElementsAre(Pair(2, FollowedClass(1, false))));
}

TEST_F(HistorySourceTest, ALongSequenceForgetsItsOldTokens) {
  std::vector<TokenId> many(kHistoryTokens);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = 10 + static_cast<TokenId>(i);
  See(many);
  See({10});
  EXPECT_THAT(NamesAfter(), IsEmpty()) << "it was too long ago";
  See({many.back()});
  EXPECT_THAT(NamesAfter(), ElementsAre(Pair(10, FollowedClass(1, false))));
}

// Compares with a search through the whole sequence, on random text of few tokens.
TEST_F(HistorySourceTest, EqualsASearchThroughTheSequence) {
  std::mt19937 random(5);
  for (int i = 0; i < 400; ++i) {
    See({static_cast<TokenId>(random() % 4)});
    const std::size_t size = committed_.size();
    // The last place of the last `order` tokens; the follower is at this position.
    const auto last_place = [&](std::size_t order) {
      for (std::size_t at = size - 1; at >= order; --at) {
        if (std::equal(committed_.begin() + static_cast<std::ptrdiff_t>(at - order),
                       committed_.begin() + static_cast<std::ptrdiff_t>(at),
                       committed_.end() - static_cast<std::ptrdiff_t>(order))) {
          return at;
        }
      }
      return std::size_t{0};
    };
    std::size_t orders = 0;
    while (orders < 3 && orders < size && last_place(orders + 1) != 0) ++orders;
    const Names names = NamesAfter();
    if (orders == 0) {
      EXPECT_THAT(names, IsEmpty());
      continue;
    }
    std::vector<TokenId> named;
    for (const auto& [token, token_class] : names) named.push_back(token);
    for (std::size_t order = 1; order <= orders; ++order) {
      EXPECT_THAT(named, ::testing::Contains(committed_[last_place(order)]));
    }
    // The first name followed a match of at least the length that its class says.
    std::size_t longest = 0;
    for (std::size_t at = 1; at < size; ++at) {
      if (committed_[at] != names[0].first) continue;
      std::size_t length = 0;
      while (length < std::min(at, kLongestMatch) &&
             committed_[at - 1 - length] == committed_[size - 1 - length]) {
        ++length;
      }
      longest = std::max(longest, length);
    }
    EXPECT_GE(names[0].second, FollowedClass(orders, false)) << "position " << i;
    EXPECT_LE(names[0].second, FollowedClass(longest, true)) << "position " << i;
  }
}

TEST(HistoryClassesTest, AreDistinctAndPriorsRiseWithTheLength) {
  const HistorySource source;
  std::map<std::uint8_t, int> seen;
  ++seen[kNoMatchClass];
  for (const std::size_t length : {1U, 2U, 3U, 4U, 5U, 7U, 10U, 16U, 32U}) {
    ++seen[OtherFollowedClass(length)];
    ++seen[FollowedClass(length, false)];
    ++seen[FollowedClass(length, true)];
  }
  for (std::size_t order = 1; order <= 3; ++order) ++seen[ShorterFollowedClass(order)];
  EXPECT_EQ(seen.size(), kHistoryClasses);
  EXPECT_EQ(seen.rbegin()->first, kHistoryClasses - 1);
  EXPECT_EQ(MatchLengthIndex(5), MatchLengthIndex(6));
  EXPECT_EQ(MatchLengthIndex(kLongestMatch), kMatchLengths - 1);
  EXPECT_LT(source.Prior(FollowedClass(1, false)), source.Prior(FollowedClass(2, false)));
  EXPECT_LT(source.Prior(FollowedClass(2, false)), source.Prior(FollowedClass(32, true)));
}

}  // namespace
}  // namespace recycling::drafter
