#include "verifier/sampling/top_k.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace recycling::verifier {
namespace {

using ::testing::ElementsAre;

std::vector<TokenId> Top(const std::vector<float>& logits, std::size_t k) {
  std::vector<TokenId> ids(k);
  TopK(logits, ids);
  return ids;
}

TEST(TopKTest, IsHighestFirstWithTiesByLowerId) {
  EXPECT_THAT(Top({1, 3, 2, 3, -1}, 3), ElementsAre(1, 3, 2));
  EXPECT_THAT(Top({0, 0, 0}, 2), ElementsAre(0, 1));
  EXPECT_THAT(Top({-0.0f, 0.0f, -0.0f}, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(Top({-5}, 1), ElementsAre(0));
}

TEST(TopKTest, EqualsAFullStableSort) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    const std::size_t vocab = 1 + random() % 200;
    const std::size_t k = 1 + random() % std::min<std::size_t>(vocab, 64);
    std::vector<float> logits(vocab);
    // There are only 20 distinct values, so many logits are equal.
    for (float& logit : logits) logit = static_cast<float>(random() % 20) - 10.0f;
    std::vector<TokenId> sorted(vocab);
    std::iota(sorted.begin(), sorted.end(), 0);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [&](TokenId a, TokenId b) { return logits[a] > logits[b]; });
    sorted.resize(k);
    ASSERT_EQ(Top(logits, k), sorted) << "round " << round;
  }
}

TEST(TopKTest, PutsNanLastAndInfinityInOrder) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_THAT(Top({nan, -inf, nan, 1, inf}, 5), ElementsAre(4, 3, 1, 0, 2));
  EXPECT_THAT(Top({nan, nan, nan}, 2), ElementsAre(0, 1));
  EXPECT_THAT(Top({nan, nan, -7, nan}, 2), ElementsAre(2, 0));
}

TEST(LogProbabilitiesTest, MatchSoftmax) {
  const std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f),
                                     std::log(2.0f)};
  const TokenLogprob result = LogProbabilities(logits, 1, 3);
  EXPECT_EQ(result.token, 1u);
  EXPECT_NEAR(result.logprob, std::log(0.2), 1e-6);
  ASSERT_EQ(result.top.size(), 3u);
  EXPECT_EQ(result.top[0].first, 2u);
  EXPECT_NEAR(result.top[0].second, std::log(0.5), 1e-6);
  EXPECT_EQ(result.top[1].first, 1u);
  EXPECT_EQ(result.top[1].second, result.logprob);
  EXPECT_EQ(result.top[2].first, 3u);
}

TEST(LogProbabilitiesTest, AreFiniteAndNeverPositiveForExtremeLogits) {
  const std::vector<float> logits = {3e38f, -3e38f, 3e38f};
  EXPECT_NEAR(LogProbabilities(logits, 0, 0).logprob, -std::log(2.0), 1e-6);
  EXPECT_TRUE(LogProbabilities(logits, 0, 0).top.empty());
  EXPECT_EQ(LogProbabilities(logits, 1, 0).logprob, -std::numeric_limits<float>::max());
  const std::vector<float> alone = {1};
  EXPECT_EQ(LogProbabilities(alone, 0, 20).logprob, 0);
  EXPECT_EQ(LogProbabilities(alone, 0, 20).top.size(), 1u);
}

}  // namespace
}  // namespace recycling::verifier
