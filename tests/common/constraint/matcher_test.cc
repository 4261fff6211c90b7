#include "common/constraint/matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/common/constraint/match_text.h"
#include "tests/doubles/matchers.h"

namespace recycling::constraint {
namespace {

using doubles::IsOk;
using ::testing::HasSubstr;
using E = Expression;

std::shared_ptr<const Grammar> Build(GrammarBuilder& builder, RuleId root) {
  auto grammar = builder.Build(root);
  EXPECT_THAT(grammar, IsOk());
  return *grammar;
}
std::shared_ptr<const Grammar> Compiled(const Expression& expression) {
  auto grammar = GrammarOf(expression);
  EXPECT_THAT(grammar, IsOk());
  return *grammar;
}
std::string ErrorOf(GrammarBuilder& builder, RuleId root) {
  return std::string(builder.Build(root).status().message());
}

TEST(MatcherTest, CountsRepeatsWithoutAStateForEach) {
  const auto grammar = Compiled(E::Repeat(E::Text("ab"), 3, 1'000'000'000));
  EXPECT_LT(grammar->nodes(), 20u);
  std::string text = "abab";
  EXPECT_FALSE(Accepts(grammar, text));
  for (int i = 0; i < 100; ++i) {
    text += "ab";
    EXPECT_TRUE(Accepts(grammar, text));
    EXPECT_FALSE(Accepts(grammar, text + "a"));
  }
  const auto bounded = Compiled(E::Repeat(E::Choice({E::Text("a"), E::Text("aa")}), 10, 20));
  for (std::size_t n = 0; n < 50; ++n) {
    EXPECT_EQ(Accepts(bounded, std::string(n, 'a')), n >= 10 && n <= 40) << n;
  }
}

TEST(MatcherTest, RepeatsOfTextsThatMayBeEmptyEnd) {
  const auto grammar =
      Compiled(E::Sequence({E::Repeat(E::Optional(E::Text("a")), 100, 200), E::Repeat({}, 9, 99)}));
  EXPECT_TRUE(Accepts(grammar, ""));
  EXPECT_TRUE(Accepts(grammar, std::string(200, 'a')));
  EXPECT_FALSE(Accepts(grammar, std::string(201, 'a')));
}

TEST(MatcherTest, RulesNest) {
  GrammarBuilder builder;
  const RuleId list = builder.Declare("list");
  builder.Define(
      list, E::Sequence({E::Text("["), E::Repeat(E::Rule(list), 0, kUnbounded), E::Text("]")}));
  const auto grammar = Build(builder, list);
  EXPECT_TRUE(Accepts(grammar, "[[][[]]]"));
  EXPECT_FALSE(Accepts(grammar, "[[][[]]"));
  EXPECT_FALSE(Accepts(grammar, "[[]]]"));
}

TEST(MatcherTest, ListsByRecursionKeepNoLevels) {
  GrammarBuilder builder;
  const RuleId list = builder.Declare("list");
  builder.Define(list, E::Sequence({E::Text("a"), E::Optional(E::Rule(list))}));
  Matcher matcher(Build(builder, list));
  const StateId after = matcher.Next(matcher.start(), "a");
  EXPECT_EQ(matcher.Next(after, std::string(100'000, 'a')), after);
}

// Each text has 2^n readings.
TEST(MatcherTest, AmbiguityCostsNoMoreThanItsLevels) {
  GrammarBuilder builder;
  const RuleId root = builder.Declare("root");
  const auto between = [&](const char* end) {
    return E::Sequence({E::Text("a"), E::Rule(root), E::Text(end)});
  };
  builder.Define(root, E::Choice({between("b"), between("c"), E::Text("d")}));
  Matcher matcher(Build(builder, root));
  StateId state = matcher.Next(matcher.start(), std::string(2000, 'a') + "d");
  for (int i = 0; i < 2000; ++i) state = matcher.Next(state, i % 3 == 0 ? "b" : "c");
  EXPECT_TRUE(matcher.accepts(state));
  EXPECT_TRUE(matcher.ended(state));
  EXPECT_LT(matcher.bytes(), 2u << 20);
}

TEST(MatcherTest, StopsAtItsLimit) {
  GrammarBuilder builder;
  const RuleId list = builder.Declare("list");
  builder.Define(list, E::Sequence({E::Text("["), E::Optional(E::Rule(list)), E::Text("]")}));
  Matcher matcher(Build(builder, list), 100'000);
  EXPECT_EQ(matcher.Next(matcher.start(), std::string(100'000, '[')), kDead);
  EXPECT_TRUE(matcher.overflowed());
  EXPECT_LT(matcher.bytes(), 200'000u);
}

TEST(MatcherTest, SaysWhatFollows) {
  Matcher matcher(Compiled(E::Choice({E::Text("ab"), E::Text("ac"), E::Text("ade")})));
  EXPECT_EQ(matcher.OnlyByte(matcher.start()), 'a');
  const StateId after = matcher.Next(matcher.start(), "a");
  EXPECT_EQ(matcher.OnlyByte(after), std::nullopt);
  EXPECT_THAT(
      matcher.NextBytes(after),
      ::testing::ElementsAre(ByteRange{'b', 'b'}, ByteRange{'c', 'c'}, ByteRange{'d', 'd'}));
  EXPECT_EQ(matcher.OnlyByte(matcher.Next(after, "d")), 'e');
  EXPECT_EQ(matcher.OnlyByte(matcher.Next(after, "b")), std::nullopt) << "the text is complete";
  EXPECT_EQ(matcher.Next(after, "x"), kDead);
  EXPECT_EQ(matcher.Next(kDead, "b"), kDead);
}

TEST(GrammarTest, LeadsIntoNoDeadEnd) {
  GrammarBuilder builder;
  const RuleId never = builder.Add("never", E::Choice({}));
  const RuleId root =
      builder.Add("root", E::Choice({E::Sequence({E::Text("ab"), E::Rule(never)}), E::Text("c")}));
  Matcher matcher(Build(builder, root));
  EXPECT_EQ(matcher.Next(matcher.start(), "a"), kDead);
  EXPECT_EQ(matcher.OnlyByte(matcher.start()), 'c');
}

TEST(GrammarTest, RefusesWhatItCannotCompile) {
  GrammarBuilder missing;
  EXPECT_THAT(ErrorOf(missing, missing.Add("root", E::Rule(missing.Declare("other")))),
              HasSubstr("rule \"other\" is used, but not defined"));

  GrammarBuilder left;
  const RuleId a = left.Declare("a");
  const RuleId b = left.Declare("b");
  left.Define(a, E::Sequence({E::Optional(E::Text("x")), E::Rule(b)}));
  left.Define(b, E::Choice({E::Sequence({E::Rule(a), E::Text("y")}), E::Text("z")}));
  EXPECT_THAT(ErrorOf(left, left.Add("root", E::Rule(a))), HasSubstr("left recursion"));

  GrammarBuilder none;
  EXPECT_THAT(ErrorOf(none, none.Add("root", E::Choice({}))), HasSubstr("no text fulfils"));

  GrammarBuilder large({.most_nodes = 100});
  EXPECT_THAT(ErrorOf(large, large.Add("root", E::Text(std::string(200, 'a')))),
              HasSubstr("more than 100 states"));

  GrammarBuilder deep({.most_depth = 10});
  Expression nested = E::Text("a");
  for (int i = 0; i < 20; ++i) nested = E::Repeat(nested, 2, 3);
  EXPECT_THAT(ErrorOf(deep, deep.Add("root", nested)), HasSubstr("deeper than 10 levels"));
}

}  // namespace
}  // namespace recycling::constraint
