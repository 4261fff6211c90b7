#include "gateway/speculation/draft_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace recycling::gateway {
namespace {

using ::testing::Optional;

constexpr absl::Duration kPlain = absl::Milliseconds(1);

// A ledger and places in it. A place that Join() returns uses the guard of its kind.
class DraftLedgerTest : public ::testing::Test {
 protected:
  std::unique_ptr<DraftPlace> Join(const std::string& kind) {
    return std::make_unique<DraftPlace>(ledger_.Kind(kind), /*guarded=*/true);
  }
  // Records a drafted step that loses `loss`. With the default the guard pauses.
  void Lose(DraftPlace& place, absl::Duration loss = 100 * kPlain) {
    EXPECT_TRUE(place.Ask());
    place.Asked(1, kPlain + loss, kPlain, 0);
  }

  DraftLedger ledger_;
};

TEST_F(DraftLedgerTest, KnowsNothingBeforeTheFirstStep) {
  const auto a = Join("a");
  EXPECT_EQ(a->overhead().plain, std::nullopt);
  EXPECT_EQ(a->overhead().drafted, std::nullopt);
  EXPECT_FALSE(a->paused());
  EXPECT_TRUE(a->Ask());
}

TEST_F(DraftLedgerTest, OverheadsAreRunningMeansOfAKind) {
  Join("a")->RecordOverhead(absl::Microseconds(10), absl::Microseconds(100));
  Join("a")->RecordOverhead(absl::Microseconds(30), std::nullopt);
  Join("b")->RecordOverhead(absl::Microseconds(7), std::nullopt);
  EXPECT_THAT(Join("a")->overhead().plain, Optional(absl::Microseconds(20)));
  EXPECT_THAT(Join("a")->overhead().drafted, Optional(absl::Microseconds(100)));
  EXPECT_THAT(Join("b")->overhead().plain, Optional(absl::Microseconds(7)));
  EXPECT_EQ(Join("b")->overhead().drafted, std::nullopt);
}

TEST_F(DraftLedgerTest, OneSlowStepChangesAMeanLittleAndALastingChangeDoes) {
  const auto a = Join("a");
  for (int i = 0; i < 100; ++i) a->RecordOverhead(absl::Microseconds(100), std::nullopt);
  a->RecordOverhead(absl::InfiniteDuration(), std::nullopt);
  EXPECT_LT(*a->overhead().plain, absl::Microseconds(110));
  for (int i = 0; i < 200; ++i) a->RecordOverhead(absl::Microseconds(20), std::nullopt);
  EXPECT_LT(*a->overhead().plain, absl::Microseconds(21));
}

TEST_F(DraftLedgerTest, RequestsOfAKindShareAGuardAndItsTime) {
  const auto first = Join("a");
  const auto second = Join("a");
  const auto other = Join("b");
  Lose(*first, 2 * kPlain);
  EXPECT_FALSE(first->paused());
  Lose(*second, 3 * kPlain);
  EXPECT_TRUE(first->paused());
  EXPECT_FALSE(second->Ask());
  EXPECT_TRUE(other->Ask());
  // The loss of 5 plain steps is 2 % of the pause. Each of the two requests reports half of the
  // time.
  first->Paused(249 * kPlain, 0);
  EXPECT_TRUE(second->paused());
  second->Paused(252 * kPlain, 0);
  EXPECT_FALSE(first->paused());
}

TEST_F(DraftLedgerTest, APlaceWithoutAGuardDoesNotCountForTheTimeOfThePause) {
  const DraftPlace fixed(ledger_.Kind("a"), /*guarded=*/false);
  const auto a = Join("a");
  Lose(*a);
  a->Paused(100 * kPlain / DraftGuard::kShare + kPlain, 0);
  EXPECT_FALSE(a->paused());
}

TEST_F(DraftLedgerTest, AfterARequestThatEndsDuringAProbeOthersCanProbe) {
  const auto stays = Join("a");
  Lose(*stays);
  stays->Paused(absl::Hours(1), 0);
  std::vector<std::unique_ptr<DraftPlace>> leave;
  for (int i = 0; i < DraftGuard::kProbe; ++i) {
    leave.push_back(Join("a"));
    EXPECT_TRUE(leave.back()->Ask());
  }
  EXPECT_FALSE(stays->Ask());
  leave.pop_back();
  EXPECT_TRUE(stays->Ask());
  EXPECT_TRUE(stays->Ask()) << "a step without a result must not count as a running probe step";
}

TEST_F(DraftLedgerTest, IfStepsAreShortOneRequestTeachesAtATime) {
  auto first = Join("a");
  const auto second = Join("a");
  EXPECT_TRUE(first->Teach());
  EXPECT_TRUE(first->Teach());
  EXPECT_FALSE(second->Teach());
  EXPECT_TRUE(Join("b")->Teach());
  first.reset();
  EXPECT_TRUE(second->Teach());
}

TEST_F(DraftLedgerTest, IfStepsAreLongEveryRequestTeaches) {
  std::vector<std::unique_ptr<DraftPlace>> places;
  for (int i = 0; i < 10; ++i) places.push_back(Join("a"));
  Lose(*places[0]);
  places[0]->Paused(absl::Milliseconds(21), 0);  // ten requests give 476 tokens per second
  for (const auto& place : places) EXPECT_TRUE(place->Teach());
  places.push_back(Join("a"));
  places.push_back(Join("a"));
  EXPECT_TRUE(places[0]->Teach());
  EXPECT_FALSE(places[1]->Teach());
}

TEST_F(DraftLedgerTest, ForgetsTheLeastRecentlyUsedKindButRunningRequestsKeepIt) {
  DraftLedger ledger(/*capacity=*/2);
  const auto a = ledger.Kind("a");
  const auto b = ledger.Kind("b");
  EXPECT_EQ(ledger.Kind("a"), a);
  const auto c = ledger.Kind("c");
  EXPECT_EQ(ledger.Kind("a"), a);
  EXPECT_EQ(ledger.Kind("c"), c);
  EXPECT_NE(ledger.Kind("b"), b);
  Lose(*std::make_unique<DraftPlace>(b, true));
  EXPECT_TRUE(DraftPlace(b, true).paused());
}

}  // namespace
}  // namespace recycling::gateway
