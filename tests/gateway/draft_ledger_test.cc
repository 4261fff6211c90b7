#include "gateway/draft_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling::gateway {
namespace {

using ::testing::Optional;

TEST(DraftLedgerTest, KnowsNothingBeforeTheFirstStep) {
  DraftLedger ledger;
  EXPECT_EQ(ledger.overhead("a").plain, std::nullopt);
  EXPECT_EQ(ledger.overhead("a").drafted, std::nullopt);
  EXPECT_TRUE(ledger.Ask("a"));
}

TEST(DraftLedgerTest, OverheadsAreRunningMeansOfEachPair) {
  DraftLedger ledger;
  ledger.RecordOverhead("a", absl::Microseconds(10), absl::Microseconds(100));
  ledger.RecordOverhead("a", absl::Microseconds(30), std::nullopt);
  ledger.RecordOverhead("b", absl::Microseconds(7), std::nullopt);
  EXPECT_THAT(ledger.overhead("a").plain, Optional(absl::Microseconds(20)));
  EXPECT_THAT(ledger.overhead("a").drafted, Optional(absl::Microseconds(100)));
  EXPECT_THAT(ledger.overhead("b").plain, Optional(absl::Microseconds(7)));
  EXPECT_EQ(ledger.overhead("b").drafted, std::nullopt);
}

TEST(DraftLedgerTest, AHiccupMovesAMeanLittleAndAChangeMovesIt) {
  DraftLedger ledger;
  for (int i = 0; i < 100; ++i) ledger.RecordOverhead("a", absl::Microseconds(100), std::nullopt);
  ledger.RecordOverhead("a", absl::InfiniteDuration(), std::nullopt);
  EXPECT_LT(*ledger.overhead("a").plain, absl::Microseconds(110));
  for (int i = 0; i < 200; ++i) ledger.RecordOverhead("a", absl::Microseconds(20), std::nullopt);
  EXPECT_LT(*ledger.overhead("a").plain, absl::Microseconds(21));
}

TEST(DraftLedgerTest, RequestsOfAKindShareAGuard) {
  DraftLedger ledger;
  const auto lose = [&](const std::string& kind) {
    EXPECT_TRUE(ledger.Ask(kind));
    ledger.Asked(kind, 1, absl::Microseconds(1100), absl::Milliseconds(1), 0);
  };
  for (int step = 0; step < DraftGuard::kWindow; ++step) lose("a");
  lose("b");
  EXPECT_FALSE(ledger.Ask("a"));
  EXPECT_TRUE(ledger.Ask("b"));
  ledger.Unasked("b");
  ledger.Paused("a", absl::Milliseconds(81), 0);  // 16 x 0.1 / 2 %
  EXPECT_TRUE(ledger.Ask("a"));
}

TEST(DraftLedgerTest, OneOfAKindTeachesAtATime) {
  DraftLedger ledger;
  EXPECT_TRUE(ledger.Teach("a"));
  EXPECT_FALSE(ledger.Teach("a"));
  EXPECT_TRUE(ledger.Teach("b"));
  ledger.StopTeaching("a");
  EXPECT_TRUE(ledger.Teach("a"));
}

TEST(DraftLedgerTest, WhatWasUsedLeastRecentlyMakesRoom) {
  DraftLedger ledger(/*capacity=*/2);
  const auto pause = [&](const std::string& kind) {
    ledger.Asked(kind, 1, absl::Seconds(1), absl::Milliseconds(1), 0);
  };
  pause("a");
  pause("b");
  EXPECT_FALSE(ledger.Ask("a"));
  pause("c");
  EXPECT_FALSE(ledger.Ask("a"));
  EXPECT_FALSE(ledger.Ask("c"));
  EXPECT_TRUE(ledger.Ask("b"));
}

}  // namespace
}  // namespace recycling::gateway
