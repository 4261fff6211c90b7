#include "verifier/schedule/pass_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <random>
#include <string>

namespace recycling::verifier {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;

PassJob Step(int rows, std::string_view tenant = "") { return {.tenant = tenant, .rows = rows}; }
PassJob Prefill(int rows, std::string_view tenant = "") {
  return {.tenant = tenant, .prefill = true, .rows = rows};
}

// The first row costs 1000 us, and each further row costs 100 us.
PassCosts Linear() {
  PassCosts costs;
  costs.Set(1, absl::Microseconds(1000));
  costs.Set(101, absl::Microseconds(11000));
  return costs;
}

std::vector<int> Plan(const std::vector<PassJob>& jobs, PassLimits limits,
                      const PassCosts& costs = Linear()) {
  return PlanPass(jobs, limits, costs);
}

int Sum(const std::vector<int>& rows) { return std::accumulate(rows.begin(), rows.end(), 0); }

constexpr PassLimits kWide = {.max_rows = 256, .prefill_chunk = 128};

TEST(PassPlanTest, WithoutJobsThereAreNoRows) { EXPECT_THAT(Plan({}, kWide), IsEmpty()); }

TEST(PassPlanTest, JobsThatFitAreAllInThePass) {
  EXPECT_THAT(Plan({Step(81), Step(1), Step(33, "other")}, kWide), ElementsAre(81, 1, 33));
}

TEST(PassPlanTest, APromptAloneGetsWholeChunks) {
  EXPECT_THAT(Plan({Prefill(1000)}, kWide), ElementsAre(128));
  EXPECT_THAT(Plan({Prefill(100)}, kWide), ElementsAre(100));
  EXPECT_THAT(Plan({Prefill(1000)}, {.max_rows = 64, .prefill_chunk = 128}), ElementsAre(64));
}

TEST(PassPlanTest, RootsComeBeforeAllDraftRows) {
  EXPECT_THAT(Plan({Step(17), Step(17), Step(17), Step(17)}, {.max_rows = 8, .prefill_chunk = 8}),
              ElementsAre(2, 2, 2, 2));
  EXPECT_THAT(Plan({Step(17), Step(1), Step(1), Step(1)}, {.max_rows = 4, .prefill_chunk = 4}),
              ElementsAre(1, 1, 1, 1));
  // If the roots of all jobs do not fit, the jobs that arrived first get their roots into the pass.
  EXPECT_THAT(Plan({Step(9), Step(9), Step(9)}, {.max_rows = 2, .prefill_chunk = 2}),
              ElementsAre(1, 1, 0));
}

TEST(PassPlanTest, ATreeGetsTheRowsThatAnotherTreeDoesNotNeed) {
  EXPECT_THAT(Plan({Step(3), Step(81), Step(81)}, {.max_rows = 63, .prefill_chunk = 8}),
              ElementsAre(3, 30, 30));
}

TEST(PassPlanTest, PromptsGetAtMostTheirShareOfThePassTime) {
  // A pass of one row takes 1000 us; ten more rows take another 1000 us.
  EXPECT_THAT(Plan({Step(1), Prefill(1000)}, kWide), ElementsAre(1, 10));
  EXPECT_THAT(Plan({Prefill(1000), Step(21)}, kWide), ElementsAre(30, 21));
  EXPECT_THAT(Plan({Step(1), Prefill(4)}, kWide), ElementsAre(1, 4));
}

TEST(PassPlanTest, ExpectedStepsCountAsWaitingSteps) {
  // With one expected step, the pass may take twice as long as a pass of one row. With eleven
  // expected steps, it may take twice as long as a pass of eleven rows.
  EXPECT_THAT(Plan({Prefill(1000)}, {.max_rows = 256, .prefill_chunk = 128, .steps_soon = 1}),
              ElementsAre(11));
  EXPECT_THAT(Plan({Prefill(1000)}, {.max_rows = 256, .prefill_chunk = 128, .steps_soon = 11}),
              ElementsAre(31));
}

TEST(PassPlanTest, WithoutMeasuredCostsPromptsGetAFewRows) {
  EXPECT_THAT(Plan({Step(1), Prefill(1000)}, kWide, PassCosts()),
              ElementsAre(1, kUnmeasuredPrefillRows));
}

TEST(PassPlanTest, PromptsAreNeverStarved) {
  const PassLimits limits = {.max_rows = 16, .prefill_chunk = 16};
  EXPECT_THAT(Plan({Step(17), Prefill(100)}, limits), ElementsAre(12, 4));
  // There are as many roots as rows.
  EXPECT_THAT(Plan({Step(1), Step(1), Prefill(9)}, {.max_rows = 2, .prefill_chunk = 2}),
              ElementsAre(1, 0, 1));
  PassCosts steep;
  steep.Set(1, absl::Microseconds(1));
  steep.Set(2, absl::Microseconds(1'000'000));
  EXPECT_THAT(Plan({Step(1), Prefill(9)}, limits, steep), ElementsAre(1, 1));
}

TEST(PassPlanTest, RowsAreSharedByTenantAndNotBySequence) {
  // One tenant has eight trees, another tenant has one.
  std::vector<PassJob> jobs(8, Step(21, "many"));
  jobs.push_back(Step(21, "one"));
  const auto rows = Plan(jobs, {.max_rows = 42, .prefill_chunk = 8});
  EXPECT_EQ(rows.back(), 21);
  EXPECT_EQ(Sum(rows), 42);
  EXPECT_THAT(std::vector<int>(rows.begin(), rows.end() - 1), Each(AllOf(Ge(2), Le(3))));
}

TEST(PassPlanTest, TenantsShareRootsIfThereIsNoRoomForAll) {
  std::vector<PassJob> jobs(8, Step(1, "many"));
  jobs.push_back(Step(1, "one"));
  EXPECT_THAT(Plan(jobs, {.max_rows = 3, .prefill_chunk = 3}),
              ElementsAre(1, 1, 0, 0, 0, 0, 0, 0, 1));
}

TEST(PassPlanTest, TenantsSharePrefills) {
  EXPECT_THAT(Plan({Prefill(500, "a"), Prefill(500, "a"), Prefill(500, "b")},
                   {.max_rows = 64, .prefill_chunk = 64}),
              ElementsAre(16, 16, 32));
  // The rows of a tenant's steps count too.
  EXPECT_THAT(Plan({Step(8, "a"), Prefill(500, "a"), Prefill(500, "b")},
                   {.max_rows = 20, .prefill_chunk = 20}),
              ElementsAre(8, 2, 10));
}

// The number and the order of a tenant's jobs do not change its share of the rows.
TEST(PassPlanTest, TenantsGetEqualSharesOverManyPasses) {
  std::mt19937 random(5);
  const std::vector<std::string> names = {"a", "b", "c"};
  std::map<std::string_view, int> got;
  for (int pass = 0; pass < 200; ++pass) {
    std::vector<PassJob> jobs;
    for (const std::string& name : names) {
      for (auto i = 1 + random() % 5; i > 0; --i) {
        jobs.push_back(Step(40 + static_cast<int>(random() % 40), name));
      }
    }
    std::shuffle(jobs.begin(), jobs.end(), random);
    const auto rows = Plan(jobs, {.max_rows = 60, .prefill_chunk = 8});
    EXPECT_EQ(Sum(rows), 60);
    for (std::size_t i = 0; i < jobs.size(); ++i) got[jobs[i].tenant] += rows[i];
  }
  for (const auto& [name, rows] : got) EXPECT_EQ(rows, 200 * 60 / 3) << name;
}

TEST(PassPlanTest, FollowsItsRulesForAnyQueue) {
  std::mt19937 random(11);
  const std::vector<std::string> names = {"", "a", "b", "c"};
  for (int round = 0; round < 3000; ++round) {
    const PassLimits limits = {.max_rows = 2 + static_cast<int>(random() % 100),
                               .prefill_chunk = 1 + static_cast<int>(random() % 100),
                               .steps_soon = static_cast<int>(random() % 3)};
    std::vector<PassJob> jobs;
    int steps = 0;
    int prefills = 0;
    for (auto i = 1 + random() % 12; i > 0; --i) {
      const std::string& tenant = names[random() % names.size()];
      const int rows = 1 + static_cast<int>(random() % 90);
      jobs.push_back(random() % 3 == 0 ? Prefill(rows, tenant) : Step(rows, tenant));
      ++(jobs.back().prefill ? prefills : steps);
    }
    const auto rows = Plan(jobs, limits);
    ASSERT_EQ(rows.size(), jobs.size());
    EXPECT_LE(Sum(rows), limits.max_rows);
    int prefill_rows = 0;
    int step_rows = 0;
    int steps_in = 0;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      EXPECT_GE(rows[i], 0);
      EXPECT_LE(rows[i], jobs[i].rows);
      (jobs[i].prefill ? prefill_rows : step_rows) += rows[i];
      steps_in += !jobs[i].prefill && rows[i] > 0;
    }
    EXPECT_EQ(steps_in, std::min(steps, limits.max_rows - (prefills > 0 ? 1 : 0)));
    EXPECT_LE(prefill_rows, limits.prefill_chunk);
    EXPECT_EQ(prefill_rows > 0, prefills > 0);
    if (steps > 0 && prefill_rows > 1) {
      const PassCosts costs = Linear();
      EXPECT_LE(costs.At(step_rows + prefill_rows),
                (1 + kPrefillShare) * costs.At(step_rows) + absl::Microseconds(1));
    }
  }
}

TEST(PassPlanTest, APromptAloneIsCutWhereARowIsCheapest) {
  const std::vector<PassJob> prompt = {{.prefill = true, .rows = 1000}};
  const PassLimits limits = {.max_rows = 257, .prefill_chunk = 256};
  EXPECT_THAT(PlanPass(prompt, limits, PassCosts()), ElementsAre(256));
  PassCosts falling;  // a row costs less and less
  falling.Set(1, absl::Microseconds(1000));
  falling.Set(257, absl::Microseconds(3560));
  EXPECT_THAT(PlanPass(prompt, limits, falling), ElementsAre(256));
  PassCosts steep;  // a row costs 20 us in a pass of 64, 40 us in a pass of 256
  steep.Set(1, absl::Microseconds(1000));
  steep.Set(64, absl::Microseconds(1280));
  steep.Set(256, absl::Microseconds(10240));
  EXPECT_THAT(PlanPass(prompt, limits, steep), ElementsAre(64));
  PassCosts flat;  // about as cheap per row in passes of 64 and 256
  flat.Set(1, absl::Microseconds(1000));
  flat.Set(64, absl::Microseconds(1280));
  flat.Set(256, absl::Microseconds(5160));
  EXPECT_THAT(PlanPass(prompt, limits, flat), ElementsAre(256));
  const std::vector<PassJob> few = {{.prefill = true, .rows = 9}};
  EXPECT_THAT(PlanPass(few, limits, steep), ElementsAre(9));
  EXPECT_THAT(PlanPass(prompt, {.max_rows = 8, .prefill_chunk = 5}, steep), ElementsAre(5));
}

}  // namespace
}  // namespace recycling::verifier
