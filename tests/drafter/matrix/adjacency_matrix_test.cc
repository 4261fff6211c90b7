#include "drafter/matrix/adjacency_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<TokenId> Row(const AdjacencyMatrix& matrix, TokenId token) {
  std::vector<TokenId> row(matrix.k());
  row.resize(matrix.ReadRow(token, row));
  return row;
}

TEST(AdjacencyMatrixTest, ANewMatrixHasNoRows) {
  const AdjacencyMatrix matrix(3, 2);
  for (TokenId token = 0; token < 3; ++token) EXPECT_THAT(Row(matrix, token), IsEmpty());
  EXPECT_EQ(matrix.rows_filled(), 0u);
  EXPECT_EQ(matrix.row_updates(), 0u);
}

TEST(AdjacencyMatrixTest, AWriteReplacesTheWholeRow) {
  AdjacencyMatrix matrix(10, 3);
  matrix.WriteRow(4, std::array<TokenId, 3>{7, 0, 9});
  EXPECT_THAT(Row(matrix, 4), ElementsAre(7, 0, 9));
  matrix.WriteRow(4, std::array<TokenId, 2>{1, 2});
  EXPECT_THAT(Row(matrix, 4), ElementsAre(1, 2));
  EXPECT_THAT(Row(matrix, 3), IsEmpty());
  EXPECT_THAT(Row(matrix, 5), IsEmpty());
}

TEST(AdjacencyMatrixTest, CountsFilledRowsAndWrites) {
  AdjacencyMatrix matrix(10, 1);
  for (const TokenId token : {2u, 2u, 9u}) matrix.WriteRow(token, std::array<TokenId, 1>{0});
  EXPECT_EQ(matrix.rows_filled(), 2u);
  EXPECT_EQ(matrix.row_updates(), 3u);
}

TEST(AdjacencyMatrixTest, ATokenOutsideTheVocabularyHasNoRow) {
  AdjacencyMatrix matrix(2, 1);
  matrix.WriteRow(1, std::array<TokenId, 1>{0});
  EXPECT_THAT(Row(matrix, 2), IsEmpty());
  EXPECT_THAT(Row(matrix, 0xffffffff), IsEmpty());
}

TEST(AdjacencyMatrixTest, AValidRowHasOneToKDistinctIdsOfTheVocabulary) {
  const auto valid = [](TokenId token, std::vector<TokenId> ids) {
    return AdjacencyMatrix::IsValidRow(token, ids, 5, 3);
  };
  EXPECT_TRUE(valid(4, {0}));
  EXPECT_TRUE(valid(0, {4, 0, 2}));
  EXPECT_FALSE(valid(5, {0}));
  EXPECT_FALSE(valid(0, {}));
  EXPECT_FALSE(valid(0, {0, 1, 2, 3}));
  EXPECT_FALSE(valid(0, {0, 5}));
  EXPECT_FALSE(valid(0, {3, 1, 3}));
}

TEST(AdjacencyMatrixTest, NeedsLessThanTheTwoMegabytesOfThePaper) {
  const AdjacencyMatrix matrix(32000, 8);
  EXPECT_EQ(matrix.memory_bytes(), 32000u * 40u);
  EXPECT_LE(matrix.memory_bytes(), 2'000'000u);
}

TEST(AdjacencyMatrixTest, AcceptsTheLargestRow) {
  AdjacencyMatrix matrix(64, kMaxK);
  std::vector<TokenId> all(kMaxK);
  std::iota(all.begin(), all.end(), 0);
  ASSERT_TRUE(AdjacencyMatrix::IsValidRow(63, all, 64, kMaxK));
  matrix.WriteRow(63, all);
  EXPECT_EQ(Row(matrix, 63), all);
}

// Every write stores consecutive ids. The writers use different row lengths. So the readers notice
// ids of two writes in a row, and a count that belongs to another write.
TEST(AdjacencyMatrixTest, ReadersNeverSeeARowMixedFromTwoWrites) {
  constexpr std::uint32_t kRowSize = 16;
  constexpr int kWrites = 20'000;
  AdjacencyMatrix matrix(1000, kRowSize);
  std::atomic<int> writing = 2;
  std::atomic<int> torn = 0;
  const auto write = [&](std::uint32_t writer) {
    std::array<TokenId, kRowSize> ids;
    for (int i = 0; i < kWrites; ++i) {
      const std::uint32_t length = writer == 0 ? kRowSize : 1 + static_cast<std::uint32_t>(i) % 8;
      const TokenId first = (static_cast<TokenId>(i) * 31 + writer * 500) % 900;
      std::iota(ids.begin(), ids.end(), first);
      matrix.WriteRow(static_cast<TokenId>(i) % 2, std::span(ids).first(length));
    }
    --writing;
  };
  const auto read = [&] {
    std::array<TokenId, kRowSize> row;
    while (writing.load() > 0) {
      for (TokenId token = 0; token < 2; ++token) {
        const std::uint32_t count = matrix.ReadRow(token, row);
        for (std::uint32_t i = 1; i < count; ++i) {
          if (row[i] != row[0] + i) ++torn;
        }
        if (count > 8 && count != kRowSize) ++torn;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    threads.emplace_back(write, 0);
    threads.emplace_back(write, 1);
    threads.emplace_back(read);
    threads.emplace_back(read);
  }
  EXPECT_EQ(torn.load(), 0);
  EXPECT_EQ(matrix.rows_filled(), 2u);
  EXPECT_EQ(matrix.row_updates(), 2u * kWrites);
}

}  // namespace
}  // namespace recycling::drafter
