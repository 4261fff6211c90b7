#include "drafter/sources/matrix_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "tests/drafter/sources/source_names.h"

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(MatrixSourceTest, NamesTheCandidatesInTheRowOfThePathsLastToken) {
  AdjacencyMatrix matrix(20, 2);
  matrix.WriteRow(1, std::vector<TokenId>{5, 6});
  const MatrixSource source(&matrix);
  EXPECT_THAT(NamesOf(source, {9, 1}), ElementsAre(Pair(5, 0), Pair(6, 1)));
  EXPECT_EQ(AnswerOf(source, {1}).other_class, kNotInRow);
  EXPECT_THAT(NamesOf(source, {1, 9}), IsEmpty());
}

TEST(MatrixSourceTest, RanksFromEightShareClassesAndPriorsFallWithTheClass) {
  AdjacencyMatrix matrix(100, kMaxK);
  std::vector<TokenId> row(kMaxK);
  std::iota(row.begin(), row.end(), 0);
  matrix.WriteRow(1, row);
  const MatrixSource source(&matrix);
  const Names names = NamesOf(source, {1});
  ASSERT_EQ(names.size(), kMaxK);
  for (std::size_t rank = 0; rank < 8; ++rank) EXPECT_EQ(names[rank].second, rank);
  for (const auto& [rank, token_class] : std::vector<std::pair<std::size_t, std::uint8_t>>{
           {8, 8}, {15, 8}, {16, 9}, {31, 9}, {32, 10}, {63, 10}}) {
    EXPECT_EQ(names[rank].second, token_class) << rank;
  }
  for (std::uint8_t c = 1; c <= kNotInRow; ++c) EXPECT_LT(source.Prior(c), source.Prior(c - 1));
  EXPECT_EQ(source.classes(), kNotInRow + 1u);
}

TEST(MatrixSourceTest, LearnsEveryRowOfAStep) {
  AdjacencyMatrix matrix(20, 2);
  MatrixSource source(&matrix);
  const Observation rows = {
      .tokens = {3, 5}, .candidates = {2, {5, 6, 7, 8}}, .accepted_path = {0}, .parents = {}};
  source.Observe({.rows = &rows});
  source.Observe({.rows = nullptr});
  EXPECT_THAT(NamesOf(source, {3}), ElementsAre(Pair(5, 0), Pair(6, 1)));
  EXPECT_THAT(NamesOf(source, {5}), ElementsAre(Pair(7, 0), Pair(8, 1)));
}

}  // namespace
}  // namespace recycling::drafter
