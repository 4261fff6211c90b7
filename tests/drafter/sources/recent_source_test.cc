#include "drafter/sources/recent_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/drafter/sources/source_names.h"

namespace recycling::drafter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(RecentSourceTest, NamesWhatTheModelDidNotChooseOneTokenAgo) {
  RecentSource source;
  EXPECT_THAT(NamesOf(source, {4}), IsEmpty()) << "no node has been accepted";
  // Node 1 is the last accepted one. Node 2 is rejected. After node 1 the model chose 8.
  const Observation rows = {.tokens = {3, 5, 6},
                            .candidates = {3, {5, 6, 1, 7, 8, 2, 9, 10, 1}},
                            .accepted_path = {0, 1},
                            .parents = {}};
  const std::vector<TokenId> committed = {3, 5, 8};
  source.Observe({.rows = &rows, .committed = committed, .fresh = 2, .root = 0});
  EXPECT_THAT(NamesOf(source, {8}), ElementsAre(Pair(7, 0), Pair(2, 1)));
  EXPECT_EQ(AnswerOf(source, {8}).other_class, 4);
  EXPECT_THAT(NamesOf(source, {8, 1}), ElementsAre(Pair(7, 5), Pair(2, 6))) << "the next depth";
  EXPECT_THAT(NamesOf(source, {8, 1, 2}), ElementsAre(Pair(7, 10), Pair(2, 11)));
  EXPECT_THAT(NamesOf(source, {8, 1, 2, 3}), ElementsAre(Pair(7, 10), Pair(2, 11)));
  EXPECT_EQ(AnswerOf(source, {8, 1, 2, 3}).other_class, 14);
  EXPECT_EQ(source.classes(), 15u);
}

// The row comes with one message, and the token that the model chose with the next one.
TEST(RecentSourceTest, TheChosenTokenMayComeLater) {
  RecentSource source;
  const Observation rows = {
      .tokens = {3}, .candidates = {2, {5, 6}}, .accepted_path = {0}, .parents = {}};
  std::vector<TokenId> committed = {3};
  source.Observe({.rows = &rows, .committed = committed, .fresh = 0, .root = 0});
  EXPECT_THAT(NamesOf(source, {3}), ElementsAre(Pair(5, 0), Pair(6, 1)));
  committed.push_back(5);
  source.Observe({.committed = committed, .fresh = 1});
  EXPECT_THAT(NamesOf(source, {5}), ElementsAre(Pair(6, 0)));
}

TEST(RecentSourceTest, PromptRowsAreNotAcceptedNodes) {
  RecentSource source;
  const Observation prompt = {
      .tokens = {3}, .candidates = {2, {5, 6}}, .accepted_path = {}, .parents = {}};
  source.Observe({.rows = &prompt});
  EXPECT_THAT(NamesOf(source, {4}), IsEmpty());
}

TEST(RecentSourceTest, NamesFourTokensAtMost) {
  RecentSource source;
  const Observation rows = {
      .tokens = {3}, .candidates = {6, {5, 6, 7, 8, 9, 10}}, .accepted_path = {0}, .parents = {}};
  const std::vector<TokenId> committed = {3, 6};
  source.Observe({.rows = &rows, .committed = committed, .fresh = 1, .root = 0});
  EXPECT_THAT(NamesOf(source, {6}), ElementsAre(Pair(5, 0), Pair(7, 1), Pair(8, 2), Pair(9, 3)));
}

}  // namespace
}  // namespace recycling::drafter
