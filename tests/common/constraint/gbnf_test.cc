#include "common/constraint/gbnf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/common/constraint/match_text.h"
#include "tests/doubles/matchers.h"

namespace recycling::constraint {
namespace {

using doubles::IsOk;
using ::testing::HasSubstr;

bool Matches(const std::string& grammar, const std::string& text) {
  const auto parsed = ParseGbnf(grammar);
  EXPECT_THAT(parsed, IsOk());
  return parsed.ok() && Accepts(*parsed, text);
}

TEST(GbnfTest, TakesItsConstructs) {
  constexpr char kList[] =
      "# a list\n"
      "root ::= item (\",\" ws item)*   # of items\n"
      "item ::= [a-c]{2,3} |\n"
      "   \"x\" [^\\n\\]x-z]+ | (\n"
      "     number  \"!\"?\n"
      "   )\n"
      "number ::= \"-\"? ([0-9] | [1-9] [0-9]+)\n"
      "ws ::= \" \"?\n";
  for (const char* text : {"ab", "abc, xq", "-12!,0", "xé€😀"}) {
    EXPECT_TRUE(Matches(kList, text)) << text;
  }
  for (const char* text : {"a", "abca", "ab,,ab", "x]", "012", "xz", ""}) {
    EXPECT_FALSE(Matches(kList, text)) << text;
  }
  EXPECT_TRUE(Matches("root ::= \"\\x41\\u00e9\\U0001F600\\\"\\\\\\n\" .", "Aé😀\"\\\nx"));
  EXPECT_TRUE(Matches("root ::= \"a\"{2} other-rule_1{0,} \r\nother-rule_1 ::= \"b\" | ", "aabb"));
}

TEST(GbnfTest, Recurses) {
  constexpr char kSum[] = "root ::= term (\"+\" term)*\nterm ::= [0-9]+ | \"(\" root \")\"";
  EXPECT_TRUE(Matches(kSum, "1+(2+(3+4))+5"));
  EXPECT_FALSE(Matches(kSum, "1+(2+(3+4)+5"));
}

TEST(GbnfTest, NamesWhatIsWrong) {
  const auto error = [](const std::string& grammar) {
    return std::string(ParseGbnf(grammar).status().message());
  };
  EXPECT_THAT(error(""), HasSubstr("there is no rule \"root\""));
  EXPECT_THAT(error("root ::= \"a\" )"), HasSubstr("byte 13: expected the end of the line"));
  EXPECT_THAT(error("root = \"a\""), HasSubstr("byte 5: expected \"::=\""));
  EXPECT_THAT(error("root ::= \"a"), HasSubstr("a literal has no end"));
  EXPECT_THAT(error("root ::= [a"), HasSubstr("a class has no end"));
  EXPECT_THAT(error("root ::= (\"a\""), HasSubstr("expected \")\""));
  EXPECT_THAT(error("root ::= \"\\q\""), HasSubstr("unknown escape"));
  EXPECT_THAT(error("root ::= \"\\ud800\""), HasSubstr("no character"));
  EXPECT_THAT(error("root ::= \"a\"{x}"), HasSubstr("expected a count"));
  EXPECT_THAT(error("root ::= \"a\"{3,1}"), HasSubstr("out of order"));
  EXPECT_THAT(error("root ::= x"), HasSubstr("rule \"x\" is used, but not defined"));
  EXPECT_THAT(error("root ::= \"a\"\nroot ::= \"b\""), HasSubstr("is defined twice"));
  EXPECT_THAT(error("root ::= root \"a\" | \"b\""), HasSubstr("left recursion"));
  EXPECT_THAT(error("root ::= \"a\"" + std::string(1'000'000, '*')), HasSubstr("too many counts"));
  EXPECT_THAT(error("root ::= <[12]>"), HasSubstr("single tokens are not supported"));
  EXPECT_THAT(error("root ::= " + std::string(100, '(')), HasSubstr("deeper than 50"));
  EXPECT_THAT(error(std::string(2 << 20, '#')), HasSubstr("expected at most 1048576"));
}

// Each of these is small and would be large if it were written out.
TEST(GbnfTest, HostileGrammarsEndSoon) {
  std::string doubling = "root ::= r0\n";
  for (int i = 0; i < 60; ++i) {
    doubling += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + " r" +
                std::to_string(i + 1) + "\n";
  }
  EXPECT_FALSE(Matches(doubling + "r60 ::= \"a\"\n", "aaaa"));
  EXPECT_TRUE(Matches("root ::= ((((\"a\"{1000}){1000}){1000}){1000}){0,9}", ""));
  std::string chain = "root ::= r0\n";
  for (int i = 0; i < 10000; ++i) {
    chain += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + " | \"\"\n";
  }
  EXPECT_TRUE(Matches(chain + "r10000 ::= \"a\"?\n", "a"));
}

}  // namespace
}  // namespace recycling::constraint
