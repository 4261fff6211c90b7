#include "drafter/tree/mixing_estimator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "drafter/sources/draft_sources.h"
#include "drafter/sources/matrix_source.h"

namespace recycling::drafter {
namespace {

using ::testing::DoubleNear;

// Has classes with these priors. The tests make the candidates themselves.
class Classes final : public CandidateSource {
 public:
  Classes(DraftSource origin, std::vector<double> priors)
      : origin_(origin), priors_(std::move(priors)) {}
  DraftSource origin() const override { return origin_; }
  std::size_t classes() const override { return priors_.size(); }
  double Prior(std::uint8_t token_class) const override { return priors_[token_class]; }
  void Candidates(const DraftPath&, SourceAnswer*) const override {}
  void Observe(const ObservedStep&) override {}

 private:
  const DraftSource origin_;
  const std::vector<double> priors_;
};

Candidate Make(TokenId token, std::vector<std::uint8_t> classes, std::uint8_t answered_by) {
  Candidate candidate;
  candidate.token = token;
  for (std::size_t j = 0; j < classes.size(); ++j) candidate.classes[j] = classes[j];
  candidate.answered_by = answered_by;
  return candidate;
}

double Sigmoid(double z) { return 1 / (1 + std::exp(-z)); }
double Logit(double p) { return std::log(p / (1 - p)); }

// Two mixed sources and a history of three classes.
class MixingEstimatorTest : public ::testing::Test {
 protected:
  MixingEstimatorTest() {
    sources_.push_back(
        std::make_unique<Classes>(DraftSource::kMatrix, std::vector{0.4, 0.1, 0.01}));
    sources_.push_back(
        std::make_unique<Classes>(DraftSource::kSequence, std::vector{0.01, 0.02, 0.6}));
    sources_.push_back(std::make_unique<Classes>(DraftSource::kPair, std::vector{0.5, 0.02}));
  }

  static double Estimated(const MixingEstimator& estimator, Candidate candidate, int depth = 1) {
    estimator.Estimate(depth, {&candidate, 1});
    return candidate.probability;
  }

  CandidateSources sources_;
  MixingMemory memory_;
};

TEST_F(MixingEstimatorTest, FollowsItsFormula) {
  MixingNumbers numbers;
  // Masks 4, history classes 3, depths 4; then [4][2] and [3][2] weights.
  numbers.weights = {0.1F,  0.2F,  0.3F,  0.4F,                            //
                     -0.5F, 0.6F,  0.7F,                                   //
                     0.01F, 0.02F, 0.03F, 0.04F,                           //
                     0,     0,     0.5F,  0.6F,  0.7F,  0.8F, 0.9F, 1.0F,  //
                     0.01F, 0.02F, 0.03F, 0.04F, 0.05F, 0.06F};
  numbers.classes.resize(5);
  numbers.classes[1] = {.trials = 12, .hits = 6};
  memory_.Begin(numbers);
  const MixingEstimator estimator(sources_, &memory_);
  const double rank1 = Logit((6 + 8 * 0.1) / (12 + 8));
  const double pair0 = Logit(0.5);
  // Both sources answer: mask 3. History class 2. Depth 1.
  EXPECT_NEAR(Estimated(estimator, Make(7, {1, 2, 0}, 0b111)),
              Sigmoid(0.4 + 0.7 + 0.01 + (0.9 + 0.05) * rank1 + (1.0 + 0.06) * pair0), 1e-6);
  // Only the pair source answers: mask 2. History class 0. Depth 4 and more.
  for (const int depth : {4, 5, 30}) {
    EXPECT_NEAR(Estimated(estimator, Make(7, {2, 0, 1}, 0b100), depth),
                Sigmoid(0.3 - 0.5 + 0.04 + (0.8 + 0.02) * Logit(0.02)), 1e-6);
  }
}

TEST_F(MixingEstimatorTest, TheEstimatesOfANodeHaveASumOfAtMostOne) {
  MixingNumbers numbers;
  numbers.weights.resize(25);
  numbers.weights[4] = 2;  // history class 0
  numbers.classes.resize(5);
  memory_.Begin(numbers);
  const MixingEstimator estimator(sources_, &memory_);
  std::vector<Candidate> candidates(4, Make(7, {0, 0, 0}, 0b101));
  estimator.Estimate(1, candidates);
  for (const Candidate& candidate : candidates) EXPECT_NEAR(candidate.probability, 0.25, 1e-9);
  candidates.resize(1);
  estimator.Estimate(1, candidates);
  EXPECT_NEAR(candidates[0].probability, Sigmoid(2), 1e-6);
}

TEST_F(MixingEstimatorTest, OneTrialChangesBiasesAndWeightsByTheGradient) {
  MixingEstimator estimator(sources_, &memory_);
  MixingNumbers before, after;
  memory_.Read(&before);
  const Candidate candidate = Make(7, {1, 1, 0}, 0b101);
  const double error = 1 - Estimated(estimator, candidate);
  estimator.Learn(2, {&candidate, 1}, 7);
  memory_.Read(&after);
  EXPECT_EQ(after, before) << "not published yet";
  estimator.Publish();
  memory_.Read(&after);
  const auto change = [&](std::size_t i) { return after.weights[i] - before.weights[i]; };
  constexpr double kNear = 2e-6;
  EXPECT_NEAR(change(3), 0.02 * error, kNear);   // mask 3
  EXPECT_NEAR(change(5), 0.02 * error, kNear);   // history class 1
  EXPECT_NEAR(change(8), 0.006 * error, kNear);  // depth 2
  EXPECT_NEAR(change(11 + 6), 0.005 * error * Logit(0.1), kNear);
  EXPECT_NEAR(change(11 + 7), 0.005 * error * Logit(0.5), kNear);
  EXPECT_NEAR(change(19 + 2), 0.005 * error * Logit(0.1), kNear);
  EXPECT_EQ(after.classes[1], (ClassCount{.trials = 1, .hits = 1}));
  EXPECT_EQ(after.classes[3], (ClassCount{.trials = 1, .hits = 1}));
  EXPECT_EQ(after.classes[0], ClassCount{});
}

// In this world a candidate of rank 0 is right in 90 % of cases if the history names it, and in 10
// % otherwise.
TEST_F(MixingEstimatorTest, LearnsHowSourcesDependOnEachOther) {
  MixingEstimator estimator(sources_, &memory_);
  std::mt19937 random(3);
  const Candidate followed = Make(7, {0, 2, 1}, 0b001);
  const Candidate other = Make(7, {0, 1, 1}, 0b001);
  for (int i = 0; i < 4000; ++i) {
    estimator.Prepare();
    const bool is_followed = random() % 2 == 0;
    const bool hit = random() % 10 < (is_followed ? 9 : 1);
    estimator.Learn(1, {is_followed ? &followed : &other, 1}, hit ? 7 : 8);
    estimator.Publish();
  }
  estimator.Prepare();
  EXPECT_THAT(Estimated(estimator, followed), DoubleNear(0.9, 0.06));
  EXPECT_THAT(Estimated(estimator, other), DoubleNear(0.1, 0.06));
  // Another sequence of the same scope knows it too.
  const MixingEstimator second(sources_, &memory_);
  EXPECT_THAT(Estimated(second, followed), DoubleNear(0.9, 0.06));
}

TEST_F(MixingEstimatorTest, EstimatesStayProbabilitiesWhateverItLearns) {
  MixingEstimator estimator(sources_, &memory_);
  const Candidate candidate = Make(7, {0, 2, 0}, 0b101);
  for (const bool hit : {true, false, true}) {
    for (int i = 0; i < 20'000; ++i) {
      estimator.Learn(1, {&candidate, 1}, hit ? 7 : 8);
      if (i % 10 == 0) estimator.Publish();
    }
    estimator.Prepare();
    const double p = Estimated(estimator, candidate);
    EXPECT_GT(p, 0);
    EXPECT_LT(p, 1);
    EXPECT_EQ(p > 0.5, hit);
    MixingNumbers numbers;
    memory_.Read(&numbers);
    EXPECT_TRUE(AreValid(numbers));
  }
}

TEST(PriorNumbersTest, FitTheSourcesAndKnowNothingOfBaseRows) {
  AdjacencyMatrix matrix(20, 2);
  PairMatrix pairs(2);
  const CandidateSources sources = MakeSources(&matrix, &pairs);
  MixingMemory memory;
  const MixingEstimator estimator(sources, &memory);
  MixingNumbers numbers;
  memory.Read(&numbers);
  EXPECT_EQ(numbers, PriorNumbers());
  EXPECT_TRUE(AreValid(numbers));
  std::size_t counted = 0;
  const std::size_t first = sources[0]->classes() + MatrixSource::kFirstBaseClass;
  const std::size_t last = sources[0]->classes() + sources[1]->classes();
  for (std::size_t i = 0; i < numbers.classes.size(); ++i) {
    if (i >= first && i < last) {
      EXPECT_EQ(numbers.classes[i], ClassCount{}) << i;
    } else {
      counted += numbers.classes[i].trials > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(counted, 30u);
}

TEST(MixingMemoryTest, HalvesCountsAndBoundsWeights) {
  MixingMemory memory;
  MixingNumbers numbers{.weights = {0}, .classes = {{.trials = 4095, .hits = 1000}}};
  memory.Begin(numbers);
  memory.Begin({.weights = {5}, .classes = {{}}});  // is set already
  MixingNumbers sum;
  memory.Add({.weights = {1000}, .classes = {{.trials = 1, .hits = 1}}}, &sum);
  EXPECT_EQ(sum.weights[0], kMostWeight);
  EXPECT_EQ(sum.classes[0], (ClassCount{.trials = 2048, .hits = 500.5F}));
  EXPECT_TRUE(AreValid(sum));
}

TEST(MixingMemoryTest, KnowsNumbersThatNoMemoryHolds) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(AreValid({.weights = {64, -64}, .classes = {{.trials = 2, .hits = 2}}}));
  EXPECT_FALSE(AreValid({.weights = {65}, .classes = {}}));
  EXPECT_FALSE(AreValid({.weights = {nan}, .classes = {}}));
  EXPECT_FALSE(AreValid({.weights = {}, .classes = {{.trials = 1, .hits = 2}}}));
  EXPECT_FALSE(AreValid({.weights = {}, .classes = {{.trials = 4096, .hits = 2}}}));
  EXPECT_FALSE(AreValid({.weights = {}, .classes = {{.trials = nan, .hits = 0}}}));
  EXPECT_FALSE(AreValid({.weights = {}, .classes = {{.trials = 1, .hits = nan}}}));
  EXPECT_FALSE(AreValid({.weights = {}, .classes = {{.trials = 1, .hits = -1}}}));
}

TEST(MixingMemoryTest, SequencesLearnAtTheSameTime) {
  AdjacencyMatrix matrix(20, 2);
  PairMatrix pairs(2);
  MixingMemory memory;
  const auto learn = [&] {
    const CandidateSources sources = MakeSources(&matrix, &pairs);
    MixingEstimator estimator(sources, &memory);
    Candidate candidate;
    candidate.token = 3;
    candidate.answered_by = 2;
    for (int i = 0; i < 1000; ++i) {
      estimator.Prepare();
      estimator.Learn(1, {&candidate, 1}, 3);
      estimator.Publish();
    }
  };
  { std::jthread first(learn), second(learn); }
  MixingNumbers numbers;
  memory.Read(&numbers);
  float trials = 0;
  for (std::size_t i = 0; i < numbers.classes.size(); ++i) {
    trials += numbers.classes[i].trials - PriorNumbers().classes[i].trials;
  }
  EXPECT_EQ(trials, 2000);
}

}  // namespace
}  // namespace recycling::drafter
