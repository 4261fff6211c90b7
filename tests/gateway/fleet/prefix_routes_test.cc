#include "gateway/fleet/prefix_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace recycling::gateway {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr std::size_t kPage = PrefixRoutes::kPage;

// Tokens first, first + 1, ...
std::vector<TokenId> Prompt(std::size_t tokens, TokenId first = 0) {
  std::vector<TokenId> prompt(tokens);
  std::iota(prompt.begin(), prompt.end(), first);
  return prompt;
}

TEST(PrefixRoutesTest, KnowsWholePagesOfWhatWasGiven) {
  PrefixRoutes routes;
  routes.Record("t", Prompt(3 * kPage + 5), "a");
  EXPECT_THAT(routes.Held("t", Prompt(3 * kPage + 5)), UnorderedElementsAre(Pair("a", 3 * kPage)));
  EXPECT_THAT(routes.Held("t", Prompt(2 * kPage)), UnorderedElementsAre(Pair("a", 2 * kPage)));
  EXPECT_THAT(routes.Held("t", Prompt(kPage - 1)), IsEmpty());
  EXPECT_THAT(routes.Held("t", Prompt(9 * kPage)), UnorderedElementsAre(Pair("a", 3 * kPage)));
  EXPECT_THAT(routes.Held("t", Prompt(3 * kPage, 1)), IsEmpty()) << "another text";
}

TEST(PrefixRoutesTest, TenantsAreApart) {
  PrefixRoutes routes;
  routes.Record("t", Prompt(kPage), "a");
  EXPECT_THAT(routes.Held("u", Prompt(kPage)), IsEmpty());
}

TEST(PrefixRoutesTest, PromptsThatPartShareWhatIsBefore) {
  PrefixRoutes routes;
  std::vector<TokenId> one = Prompt(3 * kPage);
  std::vector<TokenId> two = one;
  two[2 * kPage + 7] = 99999;
  routes.Record("t", one, "a");
  routes.Record("t", two, "b");
  EXPECT_THAT(routes.Held("t", one),
              UnorderedElementsAre(Pair("a", 3 * kPage), Pair("b", 2 * kPage)));
}

TEST(PrefixRoutesTest, TheNewestHoldersOfAPageAreKept) {
  PrefixRoutes routes;
  for (const char* address : {"a", "b", "c", "d", "a", "e"}) {
    routes.Record("t", Prompt(kPage), address);
  }
  EXPECT_THAT(
      routes.Held("t", Prompt(kPage)),
      UnorderedElementsAre(Pair("a", kPage), Pair("c", kPage), Pair("d", kPage), Pair("e", kPage)));
}

TEST(PrefixRoutesTest, IsBoundedAndForgetsTheEndsOfOldPromptsFirst) {
  PrefixRoutes routes(/*capacity=*/5);
  routes.Record("t", Prompt(3 * kPage), "a");
  routes.Record("t", Prompt(3 * kPage, 1000), "b");
  EXPECT_EQ(routes.pages(), 5u);
  EXPECT_THAT(routes.Held("t", Prompt(3 * kPage)), UnorderedElementsAre(Pair("a", 2 * kPage)));
  EXPECT_THAT(routes.Held("t", Prompt(3 * kPage, 1000)),
              UnorderedElementsAre(Pair("b", 3 * kPage)));
  routes.Record("t", Prompt(100000 * kPage), "c");
  EXPECT_EQ(routes.pages(), 5u);
}

TEST(PrefixRoutesTest, WhoIsGoneHoldsNothing) {
  PrefixRoutes routes;
  routes.Record("t", Prompt(2 * kPage), "a");
  routes.Record("t", Prompt(kPage), "b");
  routes.Forget("a");
  EXPECT_THAT(routes.Held("t", Prompt(2 * kPage)), UnorderedElementsAre(Pair("b", kPage)));
}

}  // namespace
}  // namespace recycling::gateway
