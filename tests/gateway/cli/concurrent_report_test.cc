#include "gateway/cli/concurrent_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace recycling::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(QuantileTest, IsLinearBetweenTheNearestValues) {
  EXPECT_EQ(Quantile({}, 0.5), 0);
  EXPECT_EQ(Quantile({7}, 0.99), 7);
  EXPECT_EQ(Quantile({3, 1, 2}, 0.5), 2);
  EXPECT_EQ(Quantile({4, 1, 2, 3}, 0.5), 2.5);
  EXPECT_EQ(Quantile({0, 100}, 0.99), 99);
  EXPECT_EQ(Quantile({5, 9, 1}, 0), 1);
  EXPECT_EQ(Quantile({5, 9, 1}, 1), 9);
}

TEST(ConcurrentRoundTest, AMessageWithSeveralTokensDividesItsGapAmongThem) {
  ConcurrentRound round;
  const std::vector<Arrival> arrivals = {{100, 2}, {130, 3}, {150, 1}};
  round.Add(arrivals);
  EXPECT_EQ(round.requests, 1u);
  EXPECT_EQ(round.tokens, 6u);
  EXPECT_THAT(round.first_token_micros, ElementsAre(100));
  EXPECT_THAT(round.between_messages_micros, ElementsAre(30, 20));
  EXPECT_THAT(round.inter_token_micros, ElementsAre(10, 10, 10, 20));
}

TEST(ConcurrentRoundTest, ARequestWithoutTokensCountsOnlyAsARequest) {
  ConcurrentRound round;
  round.Add(std::vector<Arrival>());
  EXPECT_EQ(round.requests, 1u);
  EXPECT_EQ(round.tokens, 0u);
  EXPECT_TRUE(round.first_token_micros.empty());
  EXPECT_EQ(round.TokensPerSecond(), 0);
}

TEST(ConcurrentRoundTest, RoundsAddUpAndSpeedIsTokensOverWallTime) {
  ConcurrentRound one;
  one.Add(std::vector<Arrival>{{10, 1}, {20, 1}});
  one.wall_micros = 1e6;
  ConcurrentRound sum = one;
  sum.Add(one);
  sum.Add(one);
  EXPECT_EQ(sum.requests, 3u);
  EXPECT_EQ(sum.tokens, 6u);
  EXPECT_THAT(sum.first_token_micros, ElementsAre(10, 10, 10));
  EXPECT_THAT(sum.inter_token_micros, ElementsAre(10, 10, 10));
  EXPECT_EQ(one.TokensPerSecond(), 2);
  EXPECT_EQ(sum.TokensPerSecond(), 2);
}

TEST(ConcurrentTableTest, ShowsTheMeasurementsAndWhetherOutputsDiffer) {
  ConcurrentSummary summary = {.concurrency = 8, .ratios = {1.5, 0.5, 1.25}};
  summary.plain.Add(std::vector<Arrival>{{2000, 1}, {5000, 1}});
  summary.plain.wall_micros = 1e5;
  EXPECT_THAT(ConcurrentTable(summary), HasSubstr("concurrency 8"));
  EXPECT_THAT(ConcurrentTable(summary), HasSubstr("20.0       2.0       2.0       3.0"));
  EXPECT_THAT(ConcurrentTable(summary), HasSubstr("median of rounds: 1.25"));
  EXPECT_THAT(ConcurrentTable(summary), HasSubstr("all equal"));
  summary.different = 3;
  EXPECT_THAT(ConcurrentTable(summary), HasSubstr("3 differ"));
}

}  // namespace
}  // namespace recycling::cli
