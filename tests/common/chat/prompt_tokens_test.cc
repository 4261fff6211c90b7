#include "common/chat/prompt_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/tokenizer/utf8.h"
#include "tests/doubles/matchers.h"

namespace recycling::chat {
namespace {

using ::testing::ElementsAre;

// One token for each ASCII letter, then control tokens <a>, <ab> and <s>, and the user-defined
// token "xy".
constexpr TokenId kA = 256, kAb = 257, kBos = 258, kXy = 259;

std::unique_ptr<const Tokenizer> MakeTokenizer(bool add_bos = false) {
  TokenizerData data = {.model = "gpt2", .pre = "gpt-2"};
  for (char32_t c = 0x21; c <= 0x143; ++c) {
    const bool skipped = (c > 0x7E && c < 0xA1) || c == 0xAD;
    if (!skipped) data.tokens.push_back(ToUtf8(c));
  }
  data.token_types.assign(data.tokens.size(), TokenType::kNormal);
  for (const char* control : {"<a>", "<ab>", "<s>"}) {
    data.tokens.push_back(control);
    data.token_types.push_back(TokenType::kControl);
  }
  data.tokens.push_back("xy");
  data.token_types.push_back(TokenType::kUserDefined);
  data.bos = kBos;
  data.add_bos = add_bos;
  return *Tokenizer::Create(std::move(data));
}

TokenId Byte(char letter) { return static_cast<TokenId>(letter - '!'); }

// Parts in [] are marked.
MarkedText Text(std::string_view shown) {
  MarkedText text;
  bool marked = false;
  for (const char byte : shown) {
    if (byte == '[' || byte == ']') {
      marked = byte == '[';
    } else {
      text.Append(std::string_view(&byte, 1), marked);
    }
  }
  return text;
}

std::vector<TokenId> Encode(std::string_view shown, bool add_bos = false) {
  const auto ids = EncodePrompt(*MakeTokenizer(add_bos), Text(shown));
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.value_or(std::vector<TokenId>());
}

TEST(EncodePromptTest, ReadsControlTokensOfTheTemplate) {
  EXPECT_THAT(Encode("<a>b<ab>"), ElementsAre(kA, Byte('b'), kAb));
}

TEST(EncodePromptTest, ReadsNoControlTokenFromAMessage) {
  EXPECT_THAT(Encode("[<a>]"), ElementsAre(Byte('<'), Byte('a'), Byte('>')));
  EXPECT_THAT(Encode("[<]a>"), ElementsAre(Byte('<'), Byte('a'), Byte('>')));
  EXPECT_THAT(Encode("<a[>]"), ElementsAre(Byte('<'), Byte('a'), Byte('>')));
  EXPECT_THAT(Encode("<[a]>"), ElementsAre(Byte('<'), Byte('a'), Byte('>')));
}

TEST(EncodePromptTest, AMessageHidesNoControlTokenOfTheTemplate) {
  EXPECT_THAT(Encode("[<]<a>[>]"), ElementsAre(Byte('<'), kA, Byte('>')));
  EXPECT_THAT(Encode("[x<a]<a>"), ElementsAre(Byte('x'), Byte('<'), Byte('a'), kA));
  // The longest token that ends before the mark: <a> in "<a>" and not <ab> in "<a[b>]".
  EXPECT_THAT(Encode("<a[b>]<a>"), ElementsAre(Byte('<'), Byte('a'), Byte('b'), Byte('>'), kA));
}

TEST(EncodePromptTest, UserDefinedTokensMayCrossAMark) {
  EXPECT_THAT(Encode("x[y]"), ElementsAre(kXy));
  EXPECT_THAT(Encode("[x]y<a>"), ElementsAre(kXy, kA));
}

TEST(EncodePromptTest, AddsBosOnce) {
  EXPECT_THAT(Encode("b", true), ElementsAre(kBos, Byte('b')));
  EXPECT_THAT(Encode("<s>b", true), ElementsAre(kBos, Byte('b')));
  EXPECT_THAT(Encode("b<s>", true), ElementsAre(Byte('b'), kBos));
  EXPECT_THAT(Encode("<s>b", false), ElementsAre(kBos, Byte('b')));
  // A user's bos is none.
  EXPECT_THAT(Encode("[<s>]", true), ElementsAre(kBos, Byte('<'), Byte('s'), Byte('>')));
}

}  // namespace
}  // namespace recycling::chat
