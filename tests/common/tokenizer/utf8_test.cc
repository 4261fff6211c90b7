#include "common/tokenizer/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace recycling {
namespace {

const std::string kBad = "\xEF\xBF\xBD";

TEST(ReplaceInvalidUtf8Test, KeepsCharactersOfEveryLength) {
  for (const std::string text :
       {"", "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF", "\xEF\xBF\xBD",
        "a\xC3\xA9z\xF0\x9F\x98\x80"}) {
    EXPECT_EQ(ReplaceInvalidUtf8(text), text);
  }
}

TEST(ReplaceInvalidUtf8Test, ReplacesEachMaximalPartOnce) {
  EXPECT_EQ(ReplaceInvalidUtf8("\x80"), kBad);
  EXPECT_EQ(ReplaceInvalidUtf8("\xFF\xFE"), kBad + kBad);
  EXPECT_EQ(ReplaceInvalidUtf8("\xC0\xAF"), kBad + kBad);                        // overlong
  EXPECT_EQ(ReplaceInvalidUtf8("\xE0\x80\xAF"), kBad + kBad + kBad);             // overlong
  EXPECT_EQ(ReplaceInvalidUtf8("\xED\xA0\x80"), kBad + kBad + kBad);             // surrogate
  EXPECT_EQ(ReplaceInvalidUtf8("\xF4\x90\x80\x80"), kBad + kBad + kBad + kBad);  // above U+10FFFF
  EXPECT_EQ(ReplaceInvalidUtf8("\xF0\x9F\x98!"), kBad + "!");
  EXPECT_EQ(ReplaceInvalidUtf8("\xE2\x82\xC3\xA9"), kBad + "\xC3\xA9");
  EXPECT_EQ(ReplaceInvalidUtf8("a\xE2\x82"), "a" + kBad);
}

TEST(LengthWithoutUnfinishedUtf8Test, LeavesOutOnlyAnUnfinishedCharacterAtTheEnd) {
  const std::string smile = "\xF0\x9F\x98\x80";
  for (std::size_t bytes = 1; bytes < smile.size(); ++bytes) {
    EXPECT_EQ(LengthWithoutUnfinishedUtf8("a" + smile.substr(0, bytes)), 1u) << bytes;
  }
  EXPECT_EQ(LengthWithoutUnfinishedUtf8("a" + smile), 5u);
  EXPECT_EQ(LengthWithoutUnfinishedUtf8(""), 0u);
  EXPECT_EQ(LengthWithoutUnfinishedUtf8("\xE2"), 0u);
  EXPECT_EQ(LengthWithoutUnfinishedUtf8("a\x80"), 2u) << "a lone continuation byte";
  EXPECT_EQ(LengthWithoutUnfinishedUtf8("a\xE0\x80"), 3u) << "overlong, never a character";
}

}  // namespace
}  // namespace recycling
