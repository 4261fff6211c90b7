#include "verifier/forward/routing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace recycling::verifier {
namespace {

using ::testing::ElementsAre;

std::vector<std::uint32_t> ExpertsOf(const Routing& routing, std::size_t row) {
  std::vector<std::uint32_t> experts;
  for (const Routing::Choice& choice : routing.ChoicesOf(row)) experts.push_back(choice.expert);
  return experts;
}

TEST(RoutingTest, TheLargestLogitsComeFirstAndTiesGoToTheSmallerIndex) {
  Routing routing(5, 3);
  routing.Resize(2);
  routing.Choose(0, std::vector<float>{1, 3, 2, 3, -1}.data());
  routing.Choose(1, std::vector<float>{0, 0, 0, 0, 0}.data());
  EXPECT_THAT(ExpertsOf(routing, 0), ElementsAre(1, 3, 2));
  EXPECT_THAT(ExpertsOf(routing, 1), ElementsAre(0, 1, 2));
}

TEST(RoutingTest, WeightsAreTheSoftmaxOfTheChosen) {
  Routing routing(4, 2);
  routing.Resize(1);
  routing.Choose(0, std::vector<float>{-50, 1.5F, 2, 0}.data());
  const double total = std::exp(1.5) + std::exp(2.0);
  EXPECT_NEAR(routing.ChoicesOf(0)[0].weight, std::exp(2.0) / total, 1e-6);
  EXPECT_NEAR(routing.ChoicesOf(0)[1].weight, std::exp(1.5) / total, 1e-6);
}

TEST(RoutingTest, RowsAreGroupedByExpert) {
  Routing routing(4, 2);
  routing.Resize(3);
  routing.Choose(0, std::vector<float>{0, 1, 0, 2}.data());
  routing.Choose(1, std::vector<float>{3, 2, 0, 0}.data());
  routing.Choose(2, std::vector<float>{0, 0, 0, 9}.data());
  routing.Group();
  // Expert 0 has the rows 1 and 2, expert 1 the rows 0 and 1, expert 3 the rows 0 and 2.
  EXPECT_THAT(routing.rows(), ElementsAre(1, 2, 0, 1, 0, 2));
  ASSERT_EQ(routing.groups().size(), 3U);
  EXPECT_EQ(routing.groups()[2].matrix, 3U);
  for (const MatMul::RowGroup& group : routing.groups()) EXPECT_EQ(group.rows, 2U);
  EXPECT_THAT(ExpertsOf(routing, 2), ElementsAre(3, 0));
  EXPECT_EQ(routing.ChoicesOf(2)[0].use, 5U);
  EXPECT_EQ(routing.ChoicesOf(2)[1].use, 1U);
}

TEST(RoutingTest, FewerRowsMayFollowMoreRows) {
  Routing routing(3, 1);
  routing.Resize(4);
  for (std::size_t row = 0; row < 4; ++row) {
    routing.Choose(row, std::vector<float>{0, 1, 0}.data());
  }
  routing.Group();
  routing.Resize(1);
  routing.Choose(0, std::vector<float>{0, 0, 1}.data());
  routing.Group();
  EXPECT_THAT(routing.rows(), ElementsAre(0));
  ASSERT_EQ(routing.groups().size(), 1U);
  EXPECT_EQ(routing.groups()[0].matrix, 2U);
}

// Such a row must not give text, and it must not change the other rows.
TEST(RoutingTest, ALogitThatIsNotFiniteMakesAllWeightsNaN) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    for (std::size_t at = 0; at < 3; ++at) {
      std::vector<float> logits = {1, 2, 3};
      logits[at] = bad;
      Routing routing(3, 2);
      routing.Resize(1);
      routing.Choose(0, logits.data());
      routing.Group();
      for (const Routing::Choice& choice : routing.ChoicesOf(0)) {
        EXPECT_LT(choice.expert, 3U);
        EXPECT_TRUE(std::isnan(choice.weight));
      }
      EXPECT_EQ(routing.rows().size(), 2U);
    }
  }
}

}  // namespace
}  // namespace recycling::verifier
