#include "drafter/sources/observation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/doubles/matchers.h"

namespace recycling::drafter {
namespace {

using doubles::IsOk;
using doubles::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<TokenId> Row(const AdjacencyMatrix& matrix, TokenId token) {
  std::vector<TokenId> row(matrix.k());
  row.resize(matrix.ReadRow(token, row));
  return row;
}

void ExpectInvalid(const Observation& observation, const std::string& message) {
  EXPECT_THAT(ValidateObservation(observation, 10, 2),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(LearnTest, WritesEveryRowAndKeepsTheLastOfSeveralRowsForOneToken) {
  AdjacencyMatrix matrix(10, 2);
  Learn({.tokens = {3, 5, 3, 7}, .candidates = {2, {1, 2, 3, 4, 5, 6, 7, 8}}}, &matrix);
  EXPECT_THAT(Row(matrix, 3), ElementsAre(5, 6));
  EXPECT_THAT(Row(matrix, 5), ElementsAre(3, 4));
  EXPECT_THAT(Row(matrix, 7), ElementsAre(7, 8));
  EXPECT_EQ(matrix.rows_filled(), 3u);
  EXPECT_EQ(matrix.row_updates(), 4u);
}

TEST(LearnTest, TheAcceptedPathIsLearntLast) {
  AdjacencyMatrix matrix(10, 2);
  // Nodes 0 and 2 have token 3, and nodes 1 and 3 have token 5. The accepted path is nodes 0 and 1.
  Learn({.tokens = {3, 5, 3, 5},
         .candidates = {2, {5, 1, 6, 2, 7, 3, 8, 4}},
         .accepted_path = {0, 1}},
        &matrix);
  EXPECT_THAT(Row(matrix, 3), ElementsAre(5, 1));
  EXPECT_THAT(Row(matrix, 5), ElementsAre(6, 2));
  EXPECT_EQ(matrix.row_updates(), 6u);
}

TEST(LearnTest, IfATokenIsTwiceOnTheAcceptedPathTheDeeperRowIsKept) {
  AdjacencyMatrix matrix(10, 1);
  Learn({.tokens = {3, 3, 3}, .candidates = {1, {3, 8, 9}}, .accepted_path = {0, 1}}, &matrix);
  EXPECT_THAT(Row(matrix, 3), ElementsAre(8));
}

TEST(ValidateObservationTest, AcceptsAStepAndAPrompt) {
  EXPECT_THAT(
      ValidateObservation(
          {.tokens = {9, 0}, .candidates = {2, {0, 9, 1, 2}}, .accepted_path = {0, 1}}, 10, 2),
      IsOk());
  EXPECT_THAT(ValidateObservation({.tokens = {9}, .candidates = {2, {0, 9}}}, 10, 2), IsOk());
}

TEST(ValidateObservationTest, RefusesParentsThatComeLaterOrDisagreeWithTheAcceptedPath) {
  const Observation step = {.tokens = {1, 2, 3, 4},
                            .candidates = {2, {1, 2, 3, 4, 5, 6, 7, 8}},
                            .accepted_path = {0, 2, 3}};
  const auto with = [&](std::vector<std::int32_t> parents) {
    Observation observation = step;
    observation.parents = std::move(parents);
    return observation;
  };
  EXPECT_THAT(ValidateObservation(with({-1, 0, 0, 2}), 10, 2), IsOk());
  ExpectInvalid(with({-1, 0, 0}), "got 3 including that of the root, expected 4");
  ExpectInvalid(with({-1, 0, 0, 2, 0}), "got 5 including that of the root, expected 4");
  ExpectInvalid(with({0, 0, 0, 2}), "got 0 for row 0, expected -1 to -1");
  ExpectInvalid(with({-1, 1, 0, 2}), "got 1 for row 1, expected 0 to 0");
  ExpectInvalid(with({-1, -1, 0, 2}), "got -1 for row 1, expected 0 to 0");
  ExpectInvalid(with({-1, 0, 0, 1}), "got 1 for row 3 of the accepted path");
  ExpectInvalid(with({-1, 0, 1, 2}), "got 1 for row 2 of the accepted path");
}

TEST(ValidateObservationTest, RefusesInvalidObservationsAndSaysWhy) {
  ExpectInvalid({}, "got no rows");
  ExpectInvalid({.tokens = {1}, .candidates = {3, {1, 2, 3}}}, "got k 3, expected 2");
  ExpectInvalid({.tokens = {1}, .candidates = {2, {1}}}, "got 1 ids, expected 1 rows of 2");
  ExpectInvalid({.tokens = {1}, .candidates = {2, {1, 2, 3, 4}}}, "got 4 ids");
  ExpectInvalid({.tokens = {1, 10}, .candidates = {2, {1, 2, 3, 4}}},
                "got token id 10 in row 1, expected less than 10");
  ExpectInvalid({.tokens = {1}, .candidates = {2, {1, 10}}}, "got token id 10 in row 0");
  ExpectInvalid({.tokens = {1}, .candidates = {2, {4, 4}}}, "got token id 4 twice in row 0");
  const Observation step = {.tokens = {1, 2, 3}, .candidates = {2, {1, 2, 3, 4, 5, 6}}};
  for (const auto& [path, message] :
       std::vector<std::pair<std::vector<std::uint32_t>, std::string>>{
           {{1}, "got row 1 at index 0"},
           {{0, 0}, "got row 0 at index 1"},
           {{0, 2, 1}, "got row 1 at index 2"},
           {{0, 3}, "got row 3, expected less than 3"}}) {
    Observation bad = step;
    bad.accepted_path = path;
    ExpectInvalid(bad, message);
  }
}

}  // namespace
}  // namespace recycling::drafter
