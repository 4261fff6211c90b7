#include "gateway/fleet/prefix_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace recycling::gateway {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr std::uint32_t kPage = 64;  // tokens

// Returns the tokens first, first + 1, and so on.
std::vector<TokenId> Prompt(std::size_t tokens, TokenId first = 0) {
  std::vector<TokenId> prompt(tokens);
  std::iota(prompt.begin(), prompt.end(), first);
  return prompt;
}

TEST(PrefixRoutesTest, RemembersWholePagesOfAPrompt) {
  PrefixRoutes routes;
  routes.Record("t", Prompt(3 * kPage + 5), kPage, "a");
  EXPECT_THAT(routes.Held("t", Prompt(3 * kPage + 5), kPage),
              UnorderedElementsAre(Pair("a", 3 * kPage)));
  EXPECT_THAT(routes.Held("t", Prompt(2 * kPage), kPage),
              UnorderedElementsAre(Pair("a", 2 * kPage)));
  EXPECT_THAT(routes.Held("t", Prompt(kPage - 1), kPage), IsEmpty());
  EXPECT_THAT(routes.Held("t", Prompt(9 * kPage), kPage),
              UnorderedElementsAre(Pair("a", 3 * kPage)));
  EXPECT_THAT(routes.Held("t", Prompt(3 * kPage, 1), kPage), IsEmpty()) << "this is another prompt";
}

TEST(PrefixRoutesTest, TenantsDoNotShareRoutes) {
  PrefixRoutes routes;
  routes.Record("t", Prompt(kPage), kPage, "a");
  EXPECT_THAT(routes.Held("u", Prompt(kPage), kPage), IsEmpty());
}

TEST(PrefixRoutesTest, PromptsShareTheRoutesOfTheirCommonBeginning) {
  PrefixRoutes routes;
  std::vector<TokenId> one = Prompt(3 * kPage);
  std::vector<TokenId> two = one;
  two[2 * kPage + 7] = 99999;
  routes.Record("t", one, kPage, "a");
  routes.Record("t", two, kPage, "b");
  EXPECT_THAT(routes.Held("t", one, kPage),
              UnorderedElementsAre(Pair("a", 3 * kPage), Pair("b", 2 * kPage)));
}

TEST(PrefixRoutesTest, KeepsTheFourNewestVerifiersOfAPage) {
  PrefixRoutes routes;
  for (const char* address : {"a", "b", "c", "d", "a", "e"}) {
    routes.Record("t", Prompt(kPage), kPage, address);
  }
  EXPECT_THAT(
      routes.Held("t", Prompt(kPage), kPage),
      UnorderedElementsAre(Pair("a", kPage), Pair("c", kPage), Pair("d", kPage), Pair("e", kPage)));
}

TEST(PrefixRoutesTest, IsBoundedAndDropsTheEndsOfOldPromptsFirst) {
  PrefixRoutes routes(/*capacity=*/5);
  routes.Record("t", Prompt(3 * kPage), kPage, "a");
  routes.Record("t", Prompt(3 * kPage, 1000), kPage, "b");
  EXPECT_EQ(routes.pages(), 5u);
  EXPECT_THAT(routes.Held("t", Prompt(3 * kPage), kPage),
              UnorderedElementsAre(Pair("a", 2 * kPage)));
  EXPECT_THAT(routes.Held("t", Prompt(3 * kPage, 1000), kPage),
              UnorderedElementsAre(Pair("b", 3 * kPage)));
  routes.Record("t", Prompt(100000 * kPage), kPage, "c");
  EXPECT_EQ(routes.pages(), 5u);
}

TEST(PrefixRoutesTest, AForgottenVerifierHoldsNothing) {
  PrefixRoutes routes;
  routes.Record("t", Prompt(2 * kPage), kPage, "a");
  routes.Record("t", Prompt(kPage), kPage, "b");
  routes.Forget("a");
  EXPECT_THAT(routes.Held("t", Prompt(2 * kPage), kPage), UnorderedElementsAre(Pair("b", kPage)));
}

TEST(PrefixRoutesTest, AcceptsAnyPageSize) {
  PrefixRoutes routes(/*capacity=*/5000);
  const std::vector<TokenId> prompt = Prompt(3000);
  for (const std::uint32_t page_tokens : {0U, 3001U, 1U << 31, 0xffffffffU}) {
    routes.Record("t", prompt, page_tokens, "a");
    EXPECT_THAT(routes.Held("t", prompt, page_tokens), IsEmpty()) << page_tokens;
  }
  EXPECT_EQ(routes.pages(), 0u);
  routes.Record("t", prompt, /*page_tokens=*/1, "a");
  EXPECT_EQ(routes.pages(), PrefixRoutes::kPages);
  EXPECT_THAT(routes.Held("t", prompt, /*page_tokens=*/1),
              UnorderedElementsAre(Pair("a", PrefixRoutes::kPages)));
}

}  // namespace
}  // namespace recycling::gateway
