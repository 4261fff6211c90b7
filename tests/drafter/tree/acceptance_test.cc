#include "drafter/tree/acceptance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace recycling::drafter {
namespace {

constexpr std::uint16_t kKind = 3;
constexpr std::uint16_t kOther = 4;
const std::vector<double> kPriors = {0.1, 0.1, 0.1, 0.35, 0.2};

std::vector<KindEstimates> Estimates(
    const SharedAcceptance& shared,
    const std::vector<AcceptanceCount>& sequence = std::vector<AcceptanceCount>(kPriors.size())) {
  std::vector<KindCounts> counts;
  shared.Read(&counts);
  std::vector<KindEstimates> estimates(kPriors.size());
  EstimateKinds(counts, kPriors, sequence, estimates);
  return estimates;
}

KindCounts Read(const SharedAcceptance& shared, std::uint16_t kind) {
  std::vector<KindCounts> counts;
  shared.Read(&counts);
  return counts.at(kind);
}

TEST(AcceptanceTest, AKindWithoutTrialsHasItsPriorAtEveryDepth) {
  const std::vector<KindEstimates> estimates = Estimates(SharedAcceptance());
  for (std::size_t kind = 0; kind < kPriors.size(); ++kind) {
    for (const double at_depth : estimates[kind]) EXPECT_DOUBLE_EQ(at_depth, kPriors[kind]);
  }
}

// The prior is 0.35. All sequences together have four trials at depth 1 with three hits, and two
// trials at depth 2 without hits. Two of these six trials, with one hit, belong to this sequence.
TEST(AcceptanceTest, EstimatesFollowTheFormula) {
  SharedAcceptance shared;
  const auto trial = [&](int depth, bool hit) {
    return Trial{static_cast<std::uint8_t>(DepthBucket(depth)), kKind, hit};
  };
  shared.Add(std::vector<Trial>{trial(1, true), trial(1, true), trial(1, true), trial(1, false)});
  shared.Add(std::vector<Trial>{trial(2, false), trial(2, false)});
  std::vector<AcceptanceCount> sequence(kPriors.size());
  sequence[kKind] = {.trials = 2, .hits = 1};
  const std::vector<KindEstimates> p = Estimates(shared, sequence);
  const double any = (3 + 8 * 0.35) / (6 + 8);
  EXPECT_NEAR(p[kKind][0], (1 + 30 * ((3 + 30 * any) / (4 + 30))) / (2 + 30), 1e-12);
  EXPECT_NEAR(p[kKind][1], (1 + 30 * ((0 + 30 * any) / (2 + 30))) / (2 + 30), 1e-12);
  EXPECT_NEAR(p[kKind][2], (1 + 30 * any) / (2 + 30), 1e-12);
  EXPECT_NEAR(p[kOther][0], kPriors[kOther], 1e-12);
}

TEST(AcceptanceTest, DepthsFromFourShareOneBucket) {
  EXPECT_EQ(DepthBucket(1), 0u);
  EXPECT_EQ(DepthBucket(3), 2u);
  EXPECT_EQ(DepthBucket(4), 3u);
  EXPECT_EQ(DepthBucket(32), 3u);
}

TEST(AcceptanceTest, SharedCountsAreHalvedAt4096Trials) {
  SharedAcceptance shared;
  for (int i = 0; i < 4095; ++i) shared.Add(std::vector<Trial>{{0, kKind, true}});
  EXPECT_EQ(Read(shared, kKind).any_depth.trials, 4095);
  shared.Add(std::vector<Trial>{{0, kKind, false}});
  EXPECT_EQ(Read(shared, kKind).any_depth.trials, 2048);
  EXPECT_EQ(Read(shared, kKind).any_depth.hits, 2047.5f);
  EXPECT_EQ(Read(shared, kKind).by_depth[0].trials, 2048);
  // New trials weigh more than old ones: 2047 misses halve the estimate of 4095 hits.
  const double before = Estimates(shared)[kKind][0];
  for (int i = 0; i < 2047; ++i) shared.Add(std::vector<Trial>{{0, kKind, false}});
  EXPECT_NEAR(Estimates(shared)[kKind][0], before / 2, 0.01);
}

TEST(AcceptanceTest, NoTrialOfConcurrentSequencesIsLost) {
  SharedAcceptance shared;
  std::vector<std::jthread> writers;
  for (std::uint16_t writer = 0; writer < 4; ++writer) {
    writers.emplace_back([&shared, writer] {
      for (int i = 0; i < 500; ++i) {
        const auto own = static_cast<std::uint16_t>(10 + writer);
        shared.Add(std::vector<Trial>{{2, kKind, i % 2 == 0}, {0, own, true}});
      }
    });
  }
  writers.clear();
  EXPECT_EQ(Read(shared, kKind).any_depth.trials, 2000);
  EXPECT_EQ(Read(shared, kKind).by_depth[2].hits, 1000);
  for (std::uint16_t writer = 0; writer < 4; ++writer) {
    EXPECT_EQ(Read(shared, static_cast<std::uint16_t>(10 + writer)).any_depth.hits, 500);
  }
}

}  // namespace
}  // namespace recycling::drafter
