#include "drafter/sources/recent_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/drafter/sources/source_names.h"

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(RecentSourceTest, ForATokenWithoutARowNamesTheRowOfTheLastAcceptedNode) {
  AdjacencyMatrix matrix(20, 2);
  RecentSource source(&matrix);
  EXPECT_THAT(NamesOf(source, {4}), IsEmpty()) << "no node has been accepted";
  // Node 1 is the last accepted one. Node 2 is rejected.
  const Observation rows = {.tokens = {3, 5, 6},
                            .candidates = {2, {5, 6, 7, 8, 9, 10}},
                            .accepted_path = {0, 1},
                            .parents = {}};
  source.Observe({.rows = &rows});
  EXPECT_THAT(NamesOf(source, {4}), ElementsAre(Pair(7, 0), Pair(8, 1)));
  EXPECT_EQ(AnswerOf(source, {4}).other_class, kNotInRow);
  matrix.WriteRow(4, std::vector<TokenId>{1});
  EXPECT_THAT(NamesOf(source, {4}), IsEmpty());
}

TEST(RecentSourceTest, PromptRowsAreNotAcceptedNodes) {
  AdjacencyMatrix matrix(20, 2);
  RecentSource source(&matrix);
  const Observation prompt = {
      .tokens = {3}, .candidates = {2, {5, 6}}, .accepted_path = {}, .parents = {}};
  source.Observe({.rows = &prompt});
  EXPECT_THAT(NamesOf(source, {4}), IsEmpty());
}

}  // namespace
}  // namespace recycling::drafter
