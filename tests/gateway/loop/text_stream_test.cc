#include "gateway/loop/text_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace recycling::gateway {
namespace {

using ::testing::ElementsAre;
using Strings = std::vector<std::string>;

const std::string kBad = "\xEF\xBF\xBD";

struct Played {
  Strings shown;            // the text after each token; without a match also the text of Finish
  std::size_t settled = 0;  // number of output tokens
  std::string match;        // empty without a match

  std::string text() const {
    std::string all;
    for (const std::string& piece : shown) all += piece;
    return all;
  }
};

// Adds tokens until a match or the end.
Played Play(const Strings& stops, const Strings& tokens) {
  TextStream stream(stops);
  Played played;
  std::size_t settled = 0;
  for (const std::string& token : tokens) {
    played.shown.push_back(stream.Add(token));
    EXPECT_GE(stream.settled_tokens(), settled);
    settled = stream.settled_tokens();
    if (stream.match().has_value()) {
      played.match = stops[*stream.match()];
      played.settled = settled;
      return played;
    }
  }
  played.shown.push_back(stream.Finish());
  played.settled = stream.settled_tokens();
  return played;
}

TEST(TextStreamTest, ShowsTextAtOnceWithoutStops) {
  const Played played = Play({}, {"Hello", " ", "world"});
  EXPECT_THAT(played.shown, ElementsAre("Hello", " ", "world", ""));
  EXPECT_EQ(played.settled, 3u);
}

TEST(TextStreamTest, HoldsUnfinishedCharacters) {
  const Played played = Play({}, {"a\xF0\x9F", "\x98",
                                  "\x80"
                                  "b"});
  EXPECT_THAT(played.shown, ElementsAre("a", "",
                                        "\xF0\x9F\x98\x80"
                                        "b",
                                        ""));
  EXPECT_THAT(Play({}, {"\xE2\x82"}).shown, ElementsAre("", kBad));
  EXPECT_THAT(Play({}, {"\xE2", "!"}).shown, ElementsAre("", kBad + "!", ""));
}

TEST(TextStreamTest, HoldsTextThatMayBecomeAStop) {
  const Played played = Play({"END"}, {"a", "E", "N", "x"});
  EXPECT_THAT(played.shown, ElementsAre("a", "", "", "ENx", ""));
  EXPECT_EQ(played.settled, 4u);
  EXPECT_THAT(Play({"END"}, {"a", "EN"}).shown, ElementsAre("a", "", "EN"));
}

TEST(TextStreamTest, MatchesAcrossTokensAndCountsTheTokensBeforeTheMatch) {
  const Played played = Play({"END"}, {"one", " tE", "N", "D!", "never"});
  EXPECT_EQ(played.text(), "one t");
  EXPECT_EQ(played.match, "END");
  EXPECT_EQ(played.settled, 2u);  // " tE" begins before the match, "N" and "D!" do not
}

TEST(TextStreamTest, ATokenThatBeginsWhereTheMatchBeginsDoesNotCount) {
  EXPECT_EQ(Play({"END"}, {"one", "END"}).settled, 1u);
  EXPECT_EQ(Play({"END"}, {"END"}).settled, 0u);
  EXPECT_EQ(Play({"END"}, {"xEND"}).settled, 1u);
}

TEST(TextStreamTest, CountsEmptyTokensOnlyBeforeTheMatch) {
  EXPECT_EQ(Play({"ab"}, {"x", "", "a", "", "b"}).settled, 2u);
  EXPECT_EQ(Play({"ab"}, {"", "ab"}).settled, 1u);
}

TEST(TextStreamTest, FindsAStopAfterAnOverlappingPartialMatch) {
  EXPECT_EQ(Play({"aab"}, {"a", "a", "a", "b"}).text(), "a");
  EXPECT_EQ(Play({"abab!"}, {"ab", "ab", "ab", "!"}).text(), "ab");
  EXPECT_EQ(Play({"\n\n"}, {"x\n", "y\n", "\nz"}).text(), "x\ny");
}

TEST(TextStreamTest, TheMatchThatEndsFirstWins) {
  EXPECT_EQ(Play({"abcd", "bc"}, {"xabcd"}).match, "bc");
  EXPECT_EQ(Play({"abc", "ab"}, {"abc"}).match, "ab");
  EXPECT_EQ(Play({"cd", "b"}, {"abcd"}).match, "b");
}

TEST(TextStreamTest, TheLongestWinsAmongMatchesThatEndTogether) {
  const Played played = Play({"b", "ab", "xab"}, {"--ab"});
  EXPECT_EQ(played.match, "ab");
  EXPECT_EQ(played.text(), "--");
}

TEST(TextStreamTest, AStopInsideACharacterNeverMatches) {
  // The bytes of the stop are C3 A9. The stream replaces an unfinished character before the stop.
  EXPECT_EQ(Play({"\xC3\xA9"}, {"\xE2\x82\xAC"}).match, "");
  const Played played = Play({"\xC3\xA9"}, {"\xE2\x82", "\xC3", "\xA9"});
  EXPECT_EQ(played.match, "\xC3\xA9");
  EXPECT_EQ(played.text(), kBad);
}

// Compares with a search for the match that ends first in the whole text.
TEST(TextStreamTest, TextAndCountsDoNotDependOnTokenBoundaries) {
  std::mt19937 random(1);
  const auto letters = [&](std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) text += static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    Strings stops, tokens;
    for (std::size_t i = 0; i < 1 + random() % 3; ++i) stops.push_back(letters(2 + random() % 4));
    std::string all;
    for (int i = 0; i < 8; ++i) all += tokens.emplace_back(letters(random() % 4));
    std::size_t begin = all.size(), end = all.size() + 1;
    for (const std::string& stop : stops) {
      const std::size_t at = all.find(stop);
      if (at == std::string::npos || at + stop.size() > end) continue;
      if (at + stop.size() == end && at > begin) continue;
      begin = at;
      end = at + stop.size();
    }
    std::size_t count = 0;
    for (std::size_t i = 0, at = 0; i < tokens.size(); at += tokens[i++].size()) {
      if (at < begin || at + tokens[i].size() <= begin) count = i + 1;
    }
    const Played played = Play(stops, tokens);
    ASSERT_EQ(played.text(), all.substr(0, begin)) << all;
    ASSERT_EQ(played.match, end > all.size() ? "" : all.substr(begin, end - begin)) << all;
    ASSERT_EQ(played.settled, count) << all;
  }
}

}  // namespace
}  // namespace recycling::gateway
