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
  EXPECT_EQ(source.classes(), 2u * (kNotInRow + 1));
}

TEST(MatrixSourceTest, ABaseRowAnswersOnlyWhileTheOwnRowIsCold) {
  AdjacencyMatrix matrix(20, 2);
  AdjacencyMatrix base(20, 2);
  base.WriteRow(1, std::vector<TokenId>{7, 8});
  base.WriteRow(3, std::vector<TokenId>{9});
  MatrixSource source(&matrix, &base);
  constexpr int kBase = MatrixSource::kFirstBaseClass;
  EXPECT_THAT(NamesOf(source, {1}), ElementsAre(Pair(7, kBase), Pair(8, kBase + 1)));
  EXPECT_EQ(AnswerOf(source, {1}).other_class, kBase + kNotInRow);
  EXPECT_THAT(NamesOf(source, {2}), IsEmpty()) << "both rows are cold";

  const Observation rows = {
      .tokens = {1}, .candidates = {2, {5, 6}}, .accepted_path = {0}, .parents = {}};
  source.Observe({.rows = &rows});
  EXPECT_THAT(NamesOf(source, {1}), ElementsAre(Pair(5, 0), Pair(6, 1)));
  EXPECT_EQ(AnswerOf(source, {1}).other_class, kNotInRow);
  EXPECT_THAT(NamesOf(source, {3}), ElementsAre(Pair(9, kBase)));
  std::vector<TokenId> row(2);
  EXPECT_EQ(base.ReadRow(1, row), 2u);
  EXPECT_THAT(row, ElementsAre(7, 8)) << "nothing writes base rows";
}

TEST(MatrixSourceTest, EveryClassHasAPriorAndBaseRowsAreTrustedLess) {
  AdjacencyMatrix matrix(20, 2);
  const MatrixSource source(&matrix);
  for (std::uint8_t c = 0; c < source.classes(); ++c) {
    EXPECT_GT(source.Prior(c), 0) << int{c};
    EXPECT_LT(source.Prior(c), 1) << int{c};
  }
  EXPECT_LT(source.Prior(MatrixSource::kFirstBaseClass), source.Prior(0));
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
