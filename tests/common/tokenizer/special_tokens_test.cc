#include "common/tokenizer/special_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace recycling {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Tokens = std::vector<std::pair<std::string_view, TokenId>>;

// "begin-end:id" of each match.
std::vector<std::string> Find(const Tokens& tokens, std::string_view text) {
  std::vector<std::string> result;
  for (const SpecialTokens::Match& match : SpecialTokens(tokens).Find(text)) {
    result.push_back(std::to_string(match.begin) + "-" + std::to_string(match.end) + ":" +
                     std::to_string(match.id));
  }
  return result;
}

TEST(SpecialTokensTest, FindsNothingWithoutTokensOrText) {
  EXPECT_THAT(Find({}, "abc"), IsEmpty());
  EXPECT_THAT(Find({{"", 1}}, "abc"), IsEmpty());
  EXPECT_THAT(Find({{"a", 1}}, ""), IsEmpty());
}

TEST(SpecialTokensTest, TakesTheLeftmostThenTheLongest) {
  EXPECT_THAT(Find({{"a", 1}, {"ab", 2}, {"bcd", 3}}, "xabcd"), ElementsAre("1-3:2"));
  EXPECT_THAT(Find({{"<s>", 1}, {"</s>", 2}}, "<s>a</s><s>"),
              ElementsAre("0-3:1", "4-8:2", "8-11:1"));
}

TEST(SpecialTokensTest, MatchesDoNotOverlap) {
  EXPECT_THAT(Find({{"aa", 1}}, "aaaaa"), ElementsAre("0-2:1", "2-4:1"));
}

TEST(SpecialTokensTest, TheLastOfEqualTextsCounts) {
  EXPECT_THAT(Find({{"a", 1}, {"a", 2}}, "a"), ElementsAre("0-1:2"));
}

TEST(SpecialTokensTest, AgreesWithASearchForEveryTokenAtEveryPosition) {
  std::mt19937 random(1);
  const auto text_of = [&](std::size_t length) {
    std::string text;
    while (text.size() < length) text += "ab"[random() % 2];
    return text;
  };
  for (std::size_t round = 0; round < 200; ++round) {
    std::vector<std::string> texts;
    while (texts.size() < 1 + round % 6) texts.push_back(text_of(1 + random() % 5));
    Tokens tokens;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      tokens.emplace_back(texts[i], static_cast<TokenId>(i));
    }
    const std::string text = text_of(40);
    std::vector<std::string> expected;
    for (std::size_t i = 0; i < text.size();) {
      std::size_t best = texts.size();
      for (std::size_t t = 0; t < texts.size(); ++t) {
        if (text.compare(i, texts[t].size(), texts[t]) != 0) continue;
        if (best == texts.size() || texts[t].size() >= texts[best].size()) best = t;
      }
      if (best == texts.size()) {
        ++i;
        continue;
      }
      const std::size_t end = i + texts[best].size();
      expected.push_back(std::to_string(i) + "-" + std::to_string(end) + ":" +
                         std::to_string(best));
      i = end;
    }
    EXPECT_EQ(Find(tokens, text), expected) << text;
  }
}

// At each position the text matches the longest token except for its last byte. A search that
// compares again at each position would take 2^38 steps.
TEST(SpecialTokensTest, AlmostMatchesTakeLinearTime) {
  const std::string text(std::size_t{1} << 20, 'a');
  const std::string miss = text.substr(0, std::size_t{1} << 18) + "b";
  EXPECT_THAT(Find({{miss, 1}}, text), IsEmpty());
  EXPECT_EQ(Find({{miss, 1}, {"a", 2}}, text).size(), text.size());
}

}  // namespace
}  // namespace recycling
