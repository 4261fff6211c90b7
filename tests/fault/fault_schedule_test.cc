#include "tests/fault/fault_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <tuple>

namespace recycling::fault {
namespace {

FaultScheduleOptions Options(std::uint64_t seed, std::vector<int> members) {
  return {.seed = seed, .members = std::move(members), .longest_pause = 7, .longest_fault = 5};
}

std::vector<std::tuple<int, int, int, std::uint64_t, std::uint64_t>> Deal(FaultSchedule schedule,
                                                                          std::size_t count) {
  std::vector<std::tuple<int, int, int, std::uint64_t, std::uint64_t>> dealt;
  for (std::size_t i = 0; i < count; ++i) {
    const Fault fault = schedule.Next();
    dealt.emplace_back(static_cast<int>(fault.kind), fault.role, fault.member, fault.after,
                       fault.lasts);
  }
  return dealt;
}

TEST(FaultScheduleTest, DependsOnlyOnTheSeed) {
  const auto deal = [](std::uint64_t seed) {
    return Deal(FaultSchedule(Options(seed, {3, 2})), 100);
  };
  EXPECT_EQ(deal(1), deal(1));
  EXPECT_NE(deal(1), deal(2));
}

TEST(FaultScheduleTest, EachRoundHasEveryKindForEveryRoleOnce) {
  FaultSchedule schedule(Options(3, {2, 3, 2}));
  ASSERT_EQ(schedule.round(), 3 * kFaultKinds);
  for (int round = 0; round < 3; ++round) {
    std::set<std::pair<int, int>> seen;
    for (std::size_t i = 0; i < schedule.round(); ++i) {
      const Fault fault = schedule.Next();
      seen.emplace(static_cast<int>(fault.kind), fault.role);
    }
    EXPECT_EQ(seen.size(), schedule.round());
  }
}

TEST(FaultScheduleTest, PausesAndDurationsStayInTheirRanges) {
  FaultSchedule schedule(Options(4, {3}));
  std::set<int> members;
  for (int i = 0; i < 1000; ++i) {
    const Fault fault = schedule.Next();
    members.insert(fault.member);
    EXPECT_GE(fault.after, 1u);
    EXPECT_LE(fault.after, 7u);
    EXPECT_GE(fault.lasts, 1u);
    EXPECT_LE(fault.lasts, 5u);
  }
  EXPECT_EQ(members, (std::set<int>{0, 1, 2}));
}

TEST(FaultScheduleTest, TheFirstMemberSurvives) {
  FaultSchedule schedule(Options(5, {1, 2}));
  EXPECT_EQ(schedule.round(), 2 * kFaultKinds - 3)
      << "a role with one member must get no fault that ends the process";
  for (int i = 0; i < 1000; ++i) {
    const Fault fault = schedule.Next();
    EXPECT_TRUE(fault.member > 0 || !EndsProcess(fault.kind)) << FaultName(fault.kind);
  }
}

}  // namespace
}  // namespace recycling::fault
