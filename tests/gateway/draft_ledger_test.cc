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
  EXPECT_TRUE(ledger.guard("a").asks());
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

TEST(DraftLedgerTest, AGuardIsKept) {
  DraftLedger ledger;
  DraftGuard guard = ledger.guard("a");
  guard.Asked(1, absl::Seconds(1), absl::Milliseconds(1));
  ledger.KeepGuard("a", guard);
  EXPECT_FALSE(ledger.guard("a").asks());
  EXPECT_TRUE(ledger.guard("b").asks());
}

TEST(DraftLedgerTest, WhatWasUsedLeastRecentlyMakesRoom) {
  DraftLedger ledger(/*capacity=*/2);
  DraftGuard paused;
  paused.Asked(1, absl::Seconds(1), absl::Milliseconds(1));
  ledger.KeepGuard("a", paused);
  ledger.KeepGuard("b", paused);
  EXPECT_FALSE(ledger.guard("a").asks());
  ledger.KeepGuard("c", paused);
  EXPECT_FALSE(ledger.guard("a").asks());
  EXPECT_FALSE(ledger.guard("c").asks());
  EXPECT_TRUE(ledger.guard("b").asks());
}

}  // namespace
}  // namespace recycling::gateway
