#include "drafter/sources/pair_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/drafter/sources/source_names.h"

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class PairSourceTest : public ::testing::Test {
 protected:
  PairMatrix pairs_{2};
  PairSource source_{&pairs_};
};

TEST_F(PairSourceTest, NamesTheRowOfTheLastTwoTokens) {
  pairs_.WriteRow(1, 2, std::vector<TokenId>{5, 6});
  EXPECT_THAT(NamesOf(source_, {9, 1, 2}), ElementsAre(Pair(5, 0), Pair(6, 1)));
  EXPECT_EQ(AnswerOf(source_, {1, 2}).other_class, kNotInRow);
  EXPECT_THAT(NamesOf(source_, {2, 1}), IsEmpty());
  EXPECT_THAT(NamesOf(source_, {2}), IsEmpty()) << "the token before 2 is not known";
  const std::vector<TokenId> committed = {1}, drafted = {2};
  SourceAnswer answer;
  source_.Candidates({.committed = committed, .drafted = drafted}, &answer);
  EXPECT_THAT(ListOf(answer), ElementsAre(Pair(5, 0), Pair(6, 1)));
}

TEST_F(PairSourceTest, LearnsEveryRowByItsParentAndAcceptedRowsLast) {
  // The root 3 stands after the committed token 9. Its children are 5, accepted, and 6. Below 6
  // stands 5 again. The last row stands below the accepted 5, is not accepted, and has the tokens
  // of the pair "3 5".
  const Observation rows = {.tokens = {3, 5, 6, 5, 3},
                            .candidates = {2, {5, 6, 7, 8, 10, 11, 12, 13, 14, 15}},
                            .accepted_path = {0, 1},
                            .parents = {-1, 0, 0, 2, 1}};
  const std::vector<TokenId> committed = {9, 3, 5, 7};
  source_.Observe({.rows = &rows, .committed = committed, .fresh = 2, .root = 1});
  EXPECT_THAT(NamesOf(source_, {9, 3}), ElementsAre(Pair(5, 0), Pair(6, 1)));
  EXPECT_THAT(NamesOf(source_, {3, 5}), ElementsAre(Pair(7, 0), Pair(8, 1)));
  EXPECT_THAT(NamesOf(source_, {3, 6}), ElementsAre(Pair(10, 0), Pair(11, 1)));
  EXPECT_THAT(NamesOf(source_, {6, 5}), ElementsAre(Pair(12, 0), Pair(13, 1)));
  EXPECT_THAT(NamesOf(source_, {5, 3}), ElementsAre(Pair(14, 0), Pair(15, 1)));
}

TEST_F(PairSourceTest, AnAcceptedRowReplacesARejectedRowOfTheSamePair) {
  // The second child of the root is accepted; both children are 5.
  const Observation rows = {.tokens = {3, 5, 5},
                            .candidates = {1, {5, 7, 8}},
                            .accepted_path = {0, 1},
                            .parents = {-1, 0, 0}};
  source_.Observe({.rows = &rows});
  EXPECT_THAT(NamesOf(source_, {3, 5}), ElementsAre(Pair(7, 0)));
}

TEST_F(PairSourceTest, WithoutParentsItLearnsTheAcceptedPath) {
  const Observation rows = {.tokens = {3, 5, 6, 7},
                            .candidates = {1, {5, 6, 7, 8}},
                            .accepted_path = {0, 2},
                            .parents = {}};
  source_.Observe({.rows = &rows});
  EXPECT_THAT(NamesOf(source_, {3, 6}), ElementsAre(Pair(7, 0)));
  EXPECT_THAT(NamesOf(source_, {3, 5}), IsEmpty());
  EXPECT_EQ(pairs_.rows_filled(), 1u) << "the token before the root is not known";
}

TEST_F(PairSourceTest, LearnsAPieceOfThePrompt) {
  const Observation piece = {.tokens = {3, 5, 6},
                             .candidates = {1, {4, 7, 8}},
                             .accepted_path = {},
                             .parents = {-1, 0, 1}};
  source_.Observe({.rows = &piece});
  EXPECT_THAT(NamesOf(source_, {3, 5}), ElementsAre(Pair(7, 0)));
  EXPECT_THAT(NamesOf(source_, {5, 6}), ElementsAre(Pair(8, 0)));
  EXPECT_EQ(pairs_.rows_filled(), 2u);
  source_.Observe({.rows = nullptr});
  EXPECT_EQ(pairs_.rows_filled(), 2u);
}

TEST_F(PairSourceTest, PriorsFallWithTheClass) {
  for (std::uint8_t c = 1; c <= kNotInRow; ++c) EXPECT_LT(source_.Prior(c), source_.Prior(c - 1));
  EXPECT_EQ(source_.classes(), kNotInRow + 1u);
}

}  // namespace
}  // namespace recycling::drafter
