#include "drafter/matrix/pair_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "drafter/matrix/adjacency_matrix.h"

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<TokenId> Row(const PairMatrix& pairs, TokenId before, TokenId last) {
  std::vector<TokenId> row(pairs.k());
  row.resize(pairs.ReadRow(before, last, row));
  return row;
}

TEST(PairMatrixTest, ARowBelongsToItsPairAlone) {
  PairMatrix pairs(3);
  EXPECT_THAT(Row(pairs, 1, 2), IsEmpty());
  pairs.WriteRow(1, 2, std::array<TokenId, 3>{7, 0, 9});
  pairs.WriteRow(2, 1, std::array<TokenId, 1>{5});
  EXPECT_THAT(Row(pairs, 1, 2), ElementsAre(7, 0, 9));
  EXPECT_THAT(Row(pairs, 2, 1), ElementsAre(5));
  EXPECT_THAT(Row(pairs, 1, 1), IsEmpty());
  EXPECT_THAT(Row(pairs, 2, 2), IsEmpty());
  pairs.WriteRow(1, 2, std::array<TokenId, 1>{4});
  EXPECT_THAT(Row(pairs, 1, 2), ElementsAre(4));
  EXPECT_EQ(pairs.rows_filled(), 2u);
}

TEST(PairMatrixTest, GrowsToItsLimitAndKeepsItsRows) {
  PairMatrix pairs(2);
  EXPECT_EQ(pairs.memory_bytes(), 1024u * 20u);
  TokenId next = 0;
  std::vector<TokenId> written;  // since the last growth
  while (pairs.bits() < PairMatrix::kLastBits) {
    written.clear();
    while (!pairs.WantsToGrow()) {
      written.push_back(next);
      pairs.WriteRow(next, next + 1, std::array<TokenId, 2>{next + 2, next + 3});
      ++next;
    }
    EXPECT_EQ(pairs.rows_filled(), (1u << pairs.bits()) / 2 + 1);
    const auto kept = [&] {
      std::size_t count = 0;
      for (const TokenId token : written) {
        const std::vector<TokenId> row = Row(pairs, token, token + 1);
        if (row.empty()) continue;  // a later row has taken its slot
        EXPECT_THAT(row, ElementsAre(token + 2, token + 3));
        ++count;
      }
      return count;
    };
    const std::size_t before = kept();
    EXPECT_GT(before, written.size() / 2);
    pairs.Grow();
    EXPECT_EQ(kept(), before) << pairs.bits();
    EXPECT_EQ(pairs.memory_bytes(), PairMatrix::MemoryBytes(pairs.bits(), 2));
  }
  for (; next < 200'000; ++next) pairs.WriteRow(next, 0, std::array<TokenId, 1>{1});
  EXPECT_FALSE(pairs.WantsToGrow()) << "it has its largest size";
}

TEST(PairMatrixTest, SlotsCopyToAnotherMatrix) {
  PairMatrix from(2);
  from.Grow();
  for (TokenId token = 0; token < 100; ++token) {
    from.WriteRow(token, 3, std::array<TokenId, 2>{token, token + 1});
  }
  PairMatrix to(2);
  to.Grow();
  std::array<TokenId, 2> row;
  for (std::uint32_t slot = 0; slot < 2048; ++slot) {
    const auto found = from.ReadSlot(slot, row);
    if (found.has_value()) to.WriteSlot(slot, found->tag, std::span(row).first(found->count));
  }
  EXPECT_EQ(to.rows_filled(), from.rows_filled());
  for (TokenId token = 0; token < 100; ++token) {
    EXPECT_EQ(Row(to, token, 3), Row(from, token, 3)) << token;
  }
}

TEST(PairMatrixTest, AcceptsTheLargestRow) {
  PairMatrix pairs(kMaxK);
  std::vector<TokenId> all(kMaxK);
  std::iota(all.begin(), all.end(), 0);
  pairs.WriteRow(1, 1, all);
  EXPECT_EQ(Row(pairs, 1, 1), all);
}

// While the matrix grows, readers see whole rows of their own pair or none.
TEST(PairMatrixTest, ReadersAndWritersGoOnWhileItGrows) {
  PairMatrix pairs(4);
  std::atomic<bool> grown = false;
  std::atomic<int> wrong = 0;
  const auto write = [&](TokenId first) {
    for (TokenId i = 0; !grown; i = (i + 1) % 3000) {
      const TokenId token = first + i;
      pairs.WriteRow(token, 1, std::array<TokenId, 4>{token, token + 1, token + 2, token + 3});
    }
  };
  const auto read = [&] {
    std::array<TokenId, 4> row;
    for (TokenId token = 0; !grown; token = (token + 1) % 6000) {
      const std::uint32_t count = pairs.ReadRow(token, 1, row);
      if (count == 0) continue;
      for (std::uint32_t i = 0; i < 4; ++i) {
        if (count != 4 || row[i] != token + i) ++wrong;
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    threads.emplace_back(write, 0);
    threads.emplace_back(write, 3000);
    threads.emplace_back(read);
    while (pairs.bits() < PairMatrix::kFirstBits + 3) {
      if (pairs.WantsToGrow()) pairs.Grow();
    }
    grown = true;
  }
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace recycling::drafter
