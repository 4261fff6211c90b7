#include "common/constraint/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>
#include <string>

#include "tests/common/constraint/match_text.h"
#include "tests/doubles/matchers.h"

namespace recycling::constraint {
namespace {

using doubles::IsOk;
using ::testing::HasSubstr;

absl::StatusOr<std::shared_ptr<const Grammar>> GrammarOfPattern(
    const std::string& pattern, Dialects dialects = Dialects::kAll) {
  const auto expression = ParsePattern(pattern, &Expression::Chars, dialects);
  if (!expression.ok()) return expression.status();
  return constraint::GrammarOf(*expression);
}

bool Matches(const std::string& pattern, const std::string& text,
             Dialects dialects = Dialects::kAll) {
  const auto grammar = GrammarOfPattern(pattern, dialects);
  EXPECT_THAT(grammar, IsOk()) << pattern;
  return grammar.ok() && Accepts(*grammar, text);
}

// A random pattern that the standard library understands as well.
class PatternMaker {
 public:
  explicit PatternMaker(std::mt19937& random) : random_(random) {}

  std::string Make() {
    std::string pattern = Alternative(0);
    for (unsigned i = Draw(3); i > 0; --i) pattern += "|" + Alternative(0);
    return pattern;
  }

 private:
  unsigned Draw(unsigned count) { return static_cast<unsigned>(random_() % count); }

  std::string Alternative(int depth) {
    std::string text = depth == 0 && Draw(2) == 0 ? "^" : "";
    for (unsigned i = Draw(4) + 1; i > 0; --i) text += Item(depth);
    return text + (depth == 0 && Draw(2) == 0 ? "$" : "");
  }

  std::string Item(int depth) {
    const std::vector<std::string> atoms = {"a",    "b",     "c",       ".",    "[ab]",
                                            "[^a]", "[a-b]", "\\d",     "\\w",  "[\\dc]",
                                            "\\.",  "1",     "[^\\d.]", "\\x61"};
    const std::vector<std::string> counts = {"",  "",    "",      "*",    "+",
                                             "?", "{2}", "{1,2}", "{2,}", "*?"};
    std::string atom = atoms[Draw(static_cast<unsigned>(atoms.size()))];
    if (depth < 2 && Draw(5) == 0) {
      atom = (Draw(2) == 0 ? "(?:" : "(") + Alternative(depth + 1) + "|" + Alternative(depth + 1) +
             ")";
    }
    return atom + counts[Draw(static_cast<unsigned>(counts.size()))];
  }

  std::mt19937& random_;
};

TEST(PatternTest, MatchesAsTheStandardLibraryDoes) {
  std::mt19937 random(1);
  PatternMaker maker(random);
  int matches = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string pattern = maker.Make();
    const std::regex standard(pattern, std::regex::ECMAScript);
    const auto grammar = GrammarOfPattern(pattern);
    ASSERT_THAT(grammar, IsOk()) << pattern;
    for (int j = 0; j < 50; ++j) {
      std::string text;
      for (unsigned n = static_cast<unsigned>(random() % 8); n > 0; --n)
        text += "abc1.x"[random() % 6];
      const bool expected = std::regex_search(text, standard);
      EXPECT_EQ(Accepts(*grammar, text), expected) << pattern << " on " << text;
      matches += expected ? 1 : 0;
    }
  }
  EXPECT_GT(matches, 2000) << "the test should see both";
  EXPECT_LT(matches, 18000);
}

TEST(PatternTest, TakesWhatJavaScriptTakes) {
  EXPECT_TRUE(Matches("^\\u00e9\\u{1F600}\\uD83D\\uDE00$", "é😀😀"));
  EXPECT_TRUE(Matches("^\\p{Lu}\\P{Lu}+$", "Äb€"));
  EXPECT_FALSE(Matches("^\\p{Lu}$", "ä"));
  EXPECT_TRUE(Matches("^(?<year>\\d{4})-\\cJ\\t\\/\\-[\\]\\-a]$", "2024-\n\t/-]"));
  EXPECT_TRUE(Matches("^a{x}]$", "a{x}]")) << "braces that are no counts";
  EXPECT_TRUE(Matches("^(a|b)$", "a"));
  EXPECT_TRUE(Matches("(^a$)|b", "xbx"));
  EXPECT_TRUE(Matches("", "anything"));
  EXPECT_TRUE(Matches("^[^]$", "x"));
  EXPECT_TRUE(Matches("^(?:a{100}){100}$", std::string(10'000, 'a')));
}

TEST(PatternTest, DialectsDifferInTheirClasses) {
  for (const char* text : {"\u0663", "\u200D"}) {
    EXPECT_FALSE(Matches("^\\w$", text));
    EXPECT_TRUE(Matches("^\\w$", text, Dialects::kAny));
    EXPECT_FALSE(Matches("^\\W$", text));
    EXPECT_TRUE(Matches("^\\W$", text, Dialects::kAny));
  }
  EXPECT_FALSE(Matches("^.$", "\r"));
  EXPECT_TRUE(Matches("^.$", "\r", Dialects::kAny));
  EXPECT_FALSE(Matches("^.$", "\n", Dialects::kAny));
}

TEST(PatternTest, NamesWhatIsWrong) {
  const auto error = [](const std::string& pattern) {
    return std::string(GrammarOfPattern(pattern).status().message());
  };
  EXPECT_THAT(error("a(?=b)"), HasSubstr("byte 2: look-around \"(?=\" is not supported"));
  EXPECT_THAT(error("(a)\\1"), HasSubstr("back-references are not supported"));
  EXPECT_THAT(error("\\bword\\b"), HasSubstr("\"\\b\" is not supported"));
  EXPECT_THAT(error("a^b"), HasSubstr("\"^\" in the middle"));
  EXPECT_THAT(error("a$b"), HasSubstr("\"$\" in the middle"));
  EXPECT_THAT(error("(^a|b)c"), HasSubstr("within this group"));
  EXPECT_THAT(error("(a"), HasSubstr("expected \")\""));
  EXPECT_THAT(error("a)"), HasSubstr("unmatched \")\""));
  EXPECT_THAT(error("[a"), HasSubstr("expected \"]\""));
  EXPECT_THAT(error("[b-a]"), HasSubstr("out of order"));
  EXPECT_THAT(error("a{3,2}"), HasSubstr("out of order"));
  EXPECT_THAT(error("*a"), HasSubstr("nothing to repeat"));
  EXPECT_THAT(error("\\q"), HasSubstr("unknown escape"));
  EXPECT_THAT(error("\\u12"), HasSubstr("4 hexadecimal digits"));
  EXPECT_THAT(error("\\p{Nothing}"), HasSubstr("unknown property"));
  EXPECT_THAT(error("[\\ud800-\\udbff]"), HasSubstr("surrogate"));
  EXPECT_THAT(error("\\012"), HasSubstr("octal"));
  EXPECT_THAT(error("a{,3}"), HasSubstr("without its first number"));
  EXPECT_THAT(error("a\\"), HasSubstr("a backslash ends the pattern"));
  EXPECT_THAT(error(std::string(100, '(')), HasSubstr("deeper than 50"));
  EXPECT_THAT(error(std::string(100'000, 'a')), HasSubstr("expected at most 8192"));
  EXPECT_THAT(error("\xff"), HasSubstr("expected UTF-8"));
}

}  // namespace
}  // namespace recycling::constraint
