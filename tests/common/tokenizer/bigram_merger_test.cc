#include "common/tokenizer/bigram_merger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace recycling {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<Piece> Apply(const MergeTable& table, std::vector<Piece> pieces) {
  table.Apply(pieces);
  return pieces;
}

TEST(MergeTableTest, DoesNotJoinPiecesWithoutAMerge) {
  MergeTable table;
  table.Add(1, 2, {0, 12});
  EXPECT_THAT(Apply(table, {}), IsEmpty());
  EXPECT_THAT(Apply(table, {1}), ElementsAre(1));
  EXPECT_THAT(Apply(table, {2, 1}), ElementsAre(2, 1));
}

TEST(MergeTableTest, JoinsTheLowestRankFirst) {
  MergeTable table;
  table.Add(1, 2, {1, 12});
  table.Add(2, 3, {0, 23});
  table.Add(12, 3, {2, 123});
  EXPECT_THAT(Apply(table, {1, 2, 3}), ElementsAre(1, 23));
}

TEST(MergeTableTest, JoinsTheLeftmostOfEqualRanks) {
  MergeTable table;
  table.Add(1, 1, {0, 11});
  EXPECT_THAT(Apply(table, {1, 1, 1}), ElementsAre(11, 1));
}

TEST(MergeTableTest, KeepsTheLowestRankOfAPair) {
  MergeTable table;
  table.Add(1, 2, {5, 12});
  table.Add(1, 2, {7, 13});
  EXPECT_EQ(table.Find(1, 2)->result, 12u);
  table.Add(1, 2, {3, 14});
  EXPECT_EQ(table.Find(1, 2)->result, 14u);
  EXPECT_EQ(table.Find(2, 1), nullptr);
}

TEST(MergeTableTest, AgreesWithASearchForTheBestPairAtEachStep) {
  std::mt19937 random(7);
  const auto below = [&](Piece bound) { return static_cast<Piece>(random() % bound); };
  for (int round = 0; round < 300; ++round) {
    MergeTable table;
    const Piece kinds = 2 + below(4);
    for (int i = 0; i < 12; ++i) {
      table.Add(below(kinds), below(kinds), {below(5), below(kinds)});
    }
    std::vector<Piece> pieces(1 + below(40));
    for (Piece& piece : pieces) piece = below(kinds);

    std::vector<Piece> expected = pieces;
    while (true) {
      std::size_t best = expected.size();
      for (std::size_t i = 0; i + 1 < expected.size(); ++i) {
        const Merge* merge = table.Find(expected[i], expected[i + 1]);
        if (merge == nullptr) continue;
        if (best == expected.size() ||
            merge->rank < table.Find(expected[best], expected[best + 1])->rank) {
          best = i;
        }
      }
      if (best == expected.size()) break;
      expected[best] = table.Find(expected[best], expected[best + 1])->result;
      expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    EXPECT_EQ(Apply(table, pieces), expected);
  }
}

// A quadratic loop would exceed the test's time limit.
TEST(MergeTableTest, OneRepeatedPieceTakesLinearithmicTime) {
  MergeTable table;
  table.Add(1, 1, {1, 2});
  table.Add(2, 1, {0, 2});  // after the first join, the result joins each right neighbour in turn
  EXPECT_THAT(Apply(table, std::vector<Piece>(std::size_t{1} << 20, 1)), ElementsAre(2));
}

}  // namespace
}  // namespace recycling
