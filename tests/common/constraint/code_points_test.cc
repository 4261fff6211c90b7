#include "common/constraint/code_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

#include "common/tokenizer/utf8.h"

namespace recycling::constraint {
namespace {

using ::testing::ElementsAre;

// How many sequences match the text.
int Matches(const std::vector<std::vector<ByteRange>>& sequences, const std::string& text) {
  int matches = 0;
  for (const auto& sequence : sequences) {
    bool fits = sequence.size() == text.size();
    for (std::size_t i = 0; fits && i < text.size(); ++i) {
      const auto byte = static_cast<std::uint8_t>(text[i]);
      fits = sequence[i].first <= byte && byte <= sequence[i].last;
    }
    matches += fits ? 1 : 0;
  }
  return matches;
}

TEST(CodePointSetTest, JoinsRangesAndLeavesSurrogatesOut) {
  EXPECT_THAT(CodePointSet({{'c', 'd'}, {'a', 'b'}, {'z', 'y'}}).ranges(),
              ElementsAre(CodePointRange{'a', 'd'}));
  EXPECT_THAT(CodePointSet({{0xD000, 0xE000}}).ranges(),
              ElementsAre(CodePointRange{0xD000, 0xD7FF}, CodePointRange{0xE000, 0xE000}));
  EXPECT_TRUE(CodePointSet({{0xD800, 0xDFFF}}).empty());
  EXPECT_EQ(CodePointSet({{0, 0x7FFFFFFF}}), CodePointSet::All());
}

TEST(CodePointSetTest, HasUnionIntersectionAndComplement) {
  const CodePointSet a({{'a', 'm'}, {'x', 'z'}});
  const CodePointSet b({{'k', 'y'}});
  EXPECT_THAT(a.Union(b).ranges(), ElementsAre(CodePointRange{'a', 'z'}));
  EXPECT_THAT(a.Intersection(b).ranges(),
              ElementsAre(CodePointRange{'k', 'm'}, CodePointRange{'x', 'y'}));
  EXPECT_EQ(a.Complement().Complement(), a);
  EXPECT_TRUE(a.Complement().Intersection(a).empty());
  EXPECT_TRUE(CodePointSet::All().Complement().empty());
  EXPECT_TRUE(a.Contains('m'));
  EXPECT_FALSE(a.Contains('n'));
  EXPECT_FALSE(a.Contains('A'));
}

TEST(Utf8SequencesTest, MatchEachCharacterOfTheSetOnceAndNoOther) {
  std::mt19937 generator(1);
  const auto random = [&] { return static_cast<std::uint32_t>(generator()); };
  const auto point = [&] {
    constexpr std::array<char32_t, 6> kEdges = {0x7F, 0x7FF, 0xFFFF, 0xD7FF, 0xE000, 0x10000};
    const char32_t any = random() % 0x110000;
    return random() % 2 == 0 ? any : static_cast<char32_t>(kEdges[random() % 6] + random() % 3);
  };
  for (int i = 0; i < 200; ++i) {
    std::vector<CodePointRange> ranges;
    for (int j = 0; j < 3; ++j) {
      const char32_t first = point();
      ranges.push_back(
          {first, static_cast<char32_t>(first + random() % (random() % 2 == 0 ? 10 : 100000))});
    }
    const CodePointSet set(ranges);
    const auto sequences = Utf8Sequences(set);
    for (int j = 0; j < 300; ++j) {
      char32_t character = point();
      if (j % 2 == 0) character = ranges[static_cast<std::size_t>(j) % 3].first + random() % 3;
      if (character > 0x10FFFF || (character >= 0xD800 && character < 0xE000)) continue;
      EXPECT_EQ(Matches(sequences, ToUtf8(character)), set.Contains(character) ? 1 : 0)
          << static_cast<std::uint32_t>(character);
    }
  }
}

}  // namespace
}  // namespace recycling::constraint
