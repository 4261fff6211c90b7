#include "gateway/loop/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace recycling::gateway {
namespace {

const std::string kBad = "\xEF\xBF\xBD";

// Decodes byte by byte and checks that cutting anywhere gives the same.
std::string Decode(const std::string& bytes) {
  const std::string whole = ToUtf8(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    Utf8Decoder decoder;
    std::string text = decoder.Add(bytes.substr(0, cut));
    text += decoder.Add(bytes.substr(cut));
    text += decoder.Finish();
    EXPECT_EQ(text, whole) << "cut at " << cut;
  }
  return whole;
}

TEST(Utf8DecoderTest, KeepsCharactersOfEveryLength) {
  for (const std::string text :
       {"", "a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF", "\xEF\xBF\xBD",
        "a\xC3\xA9z\xF0\x9F\x98\x80"}) {
    EXPECT_EQ(Decode(text), text);
  }
}

TEST(Utf8DecoderTest, HoldsAnUnfinishedCharacterBack) {
  Utf8Decoder decoder;
  EXPECT_EQ(decoder.Add("a\xF0"), "a");
  EXPECT_EQ(decoder.Add("\x9F"), "");
  EXPECT_EQ(decoder.Add("\x98"), "");
  EXPECT_EQ(decoder.Add("\x80z"), "\xF0\x9F\x98\x80z");
  EXPECT_EQ(decoder.Finish(), "");
}

TEST(Utf8DecoderTest, ReplacesOncePerMaximalPart) {
  EXPECT_EQ(Decode("\x80"), kBad);
  EXPECT_EQ(Decode("\xFF\xFE"), kBad + kBad);
  EXPECT_EQ(Decode("\xC0\xAF"), kBad + kBad);                        // overlong
  EXPECT_EQ(Decode("\xE0\x80\xAF"), kBad + kBad + kBad);             // overlong
  EXPECT_EQ(Decode("\xED\xA0\x80"), kBad + kBad + kBad);             // surrogate
  EXPECT_EQ(Decode("\xF4\x90\x80\x80"), kBad + kBad + kBad + kBad);  // above U+10FFFF
  EXPECT_EQ(Decode("\xF0\x9F\x98!"), kBad + "!");
  EXPECT_EQ(Decode("\xE2\x82\xC3\xA9"), kBad + "\xC3\xA9");
  EXPECT_EQ(Decode("a\xE2\x82"), "a" + kBad);
}

}  // namespace
}  // namespace recycling::gateway
