// The tokenizer for model "gpt2", with vocabularies of a few merges.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "common/tokenizer/tokenizer.h"
#include "common/tokenizer/utf8.h"

namespace recycling {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The 256 byte tokens in the order of GPT-2's vocabulary: first the printable characters of
// Latin-1, then the characters from U+0100 on.
std::vector<std::string> ByteTokens() {
  std::vector<std::string> tokens;
  for (char32_t c = 0x21; c <= 0x143; ++c) {
    const bool skipped = (c > 0x7E && c < 0xA1) || c == 0xAD;
    if (!skipped) tokens.push_back(ToUtf8(c));
  }
  return tokens;
}

// A vocabulary of the byte tokens, then the results of the merges.
TokenizerData Vocabulary(const std::vector<std::string>& merges, std::string pre = "gpt-2") {
  TokenizerData data = {.model = "gpt2", .pre = std::move(pre)};
  data.tokens = ByteTokens();
  data.merges = merges;
  for (const std::string& merge : merges) {
    const std::size_t space = merge.find(' ');
    const std::string result = merge.substr(0, space) + merge.substr(space + 1);
    if (std::find(data.tokens.begin(), data.tokens.end(), result) == data.tokens.end()) {
      data.tokens.push_back(result);
    }
  }
  data.token_types.assign(data.tokens.size(), TokenType::kNormal);
  return data;
}

void Add(TokenizerData& data, std::string token, TokenType type) {
  data.tokens.push_back(std::move(token));
  data.token_types.push_back(type);
}

std::unique_ptr<const Tokenizer> Create(TokenizerData data) {
  auto tokenizer = Tokenizer::Create(std::move(data));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

std::vector<TokenId> Encode(const Tokenizer& tokenizer, std::string_view text,
                            const EncodeOptions& options = {}) {
  const auto ids = tokenizer.Encode(text, options);
  EXPECT_TRUE(ids.ok()) << ids.status();
  return ids.ok() ? *ids : std::vector<TokenId>();
}

// Encodes `text` and returns the texts of its tokens in the vocabulary.
std::vector<std::string> Split(const TokenizerData& data, std::string_view text,
                               const EncodeOptions& options = {}) {
  std::vector<std::string> tokens;
  for (const TokenId id : Encode(*Create(data), text, options)) tokens.push_back(data.tokens[id]);
  return tokens;
}

std::string Decode(const Tokenizer& tokenizer, const std::vector<TokenId>& ids,
                   bool render_control = false) {
  const auto text = tokenizer.Decode(ids, render_control);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *text : "";
}

TEST(ByteBpeTest, EachByteHasTheCharacterThatGpt2GivesIt) {
  ASSERT_EQ(ByteTokens().size(), 256u);
  const auto tokenizer = Create(Vocabulary({}));
  const auto id_of = [](const char* token) {
    const auto tokens = ByteTokens();
    return static_cast<TokenId>(std::find(tokens.begin(), tokens.end(), token) - tokens.begin());
  };
  EXPECT_EQ(tokenizer->TokenBytes(id_of("!")), "!");
  EXPECT_EQ(tokenizer->TokenBytes(id_of("~")), "~");
  EXPECT_EQ(tokenizer->TokenBytes(id_of("Ā")), std::string(1, '\0'));
  EXPECT_EQ(tokenizer->TokenBytes(id_of("Ċ")), "\n");
  EXPECT_EQ(tokenizer->TokenBytes(id_of("Ġ")), " ");
  EXPECT_EQ(tokenizer->TokenBytes(id_of("ġ")), "\x7F");
  EXPECT_EQ(tokenizer->TokenBytes(id_of("ł")), "\xA0");
  EXPECT_EQ(tokenizer->TokenBytes(id_of("Ń")), "\xAD");
  EXPECT_EQ(tokenizer->TokenBytes(id_of("¡")), "\xA1");
  EXPECT_EQ(tokenizer->TokenBytes(id_of("ÿ")), "\xFF");
}

TEST(ByteBpeTest, JoinsTheEarliestMergeFirstThenTheLeftmost) {
  EXPECT_THAT(Split(Vocabulary({"b c", "a b", "ab c"}), "abc"), ElementsAre("a", "bc"));
  EXPECT_THAT(Split(Vocabulary({"a a"}), "aaa"), ElementsAre("aa", "a"));
  EXPECT_THAT(Split(Vocabulary({"a b", "Ġ ab", "b a"}), "aba ab"), ElementsAre("ab", "a", "Ġab"));
}

TEST(ByteBpeTest, DoesNotJoinWithoutAMerge) {
  TokenizerData data = Vocabulary({"a b"});
  Add(data, "abc", TokenType::kNormal);
  EXPECT_THAT(Split(data, "abc"), ElementsAre("ab", "c"));
}

TEST(ByteBpeTest, UsesTheTokenOfAWholeWordOnlyWithLlamaBpe) {
  for (const auto& [pre, whole] : {std::pair("llama-bpe", true), std::pair("qwen2", false)}) {
    TokenizerData data = Vocabulary({"a b"}, pre);
    Add(data, "Ġabc", TokenType::kNormal);
    Add(data, "xyz", TokenType::kControl);
    EXPECT_THAT(Split(data, " abc").size(), whole ? 1u : 3u);
    EXPECT_THAT(Split(data, " abcd"), ElementsAre("Ġ", "ab", "c", "d"));
    EXPECT_THAT(Split(data, "xyz"), ElementsAre("x", "y", "z"));
  }
}

TEST(ByteBpeTest, DoesNotJoinAcrossWords) {
  EXPECT_THAT(Split(Vocabulary({"a 1", "1 2"}), "a12"), ElementsAre("a", "12"));
  EXPECT_THAT(Split(Vocabulary({"1 2"}, "starcoder"), "12"), ElementsAre("1", "2"));
}

TEST(ByteBpeTest, WritesTextAsBytes) {
  EXPECT_THAT(Split(Vocabulary({"Ã ©"}), "é\n😁"), ElementsAre("Ã©", "Ċ", "ð", "Ł", "ĺ", "ģ"));
}

TEST(ByteBpeTest, FindsUserDefinedTokensBeforeItCutsWords) {
  TokenizerData data = Vocabulary({"a b", "Ã ¼"});
  Add(data, "bc", TokenType::kUserDefined);
  data.tokens.push_back("ü");  // 'ü' is also the character that stands for byte 0xFC
  data.token_types.push_back(TokenType::kUserDefined);
  EXPECT_THAT(Split(data, "abcü"), ElementsAre("a", "bc", "ü"));
  const auto tokenizer = Create(data);
  EXPECT_EQ(Decode(*tokenizer, Encode(*tokenizer, "abcü")), "abcü");
}

TEST(ByteBpeTest, TextBecomesAControlTokenOnlyIfAskedFor) {
  TokenizerData data = Vocabulary({});
  Add(data, "<|e|>", TokenType::kControl);
  data.bos = data.eos = static_cast<TokenId>(data.tokens.size() - 1);
  data.add_bos = data.add_eos = true;
  EXPECT_THAT(Split(data, "<|e|>", {.add_special = false}), ElementsAre("<", "|", "e", "|", ">"));
  EXPECT_THAT(Split(data, "<|e|>a", {.add_special = false, .parse_control = true}),
              ElementsAre("<|e|>", "a"));
  EXPECT_THAT(Split(data, "a"), ElementsAre("<|e|>", "a", "<|e|>"));
  const auto tokenizer = Create(data);
  EXPECT_EQ(Decode(*tokenizer, Encode(*tokenizer, "a")), "a");
  EXPECT_EQ(Decode(*tokenizer, Encode(*tokenizer, "a"), true), "<|e|>a<|e|>");
}

TEST(ByteBpeTest, ATokenWithAForeignCharacterStandsForItself) {
  TokenizerData data = Vocabulary({});
  Add(data, "a b", TokenType::kNormal);
  Add(data, "Ġ漢", TokenType::kNormal);
  Add(data, "\xFF", TokenType::kNormal);
  const auto tokenizer = Create(data);
  EXPECT_EQ(tokenizer->TokenBytes(256), "a b");
  EXPECT_EQ(tokenizer->TokenBytes(257), "Ġ漢");
  EXPECT_EQ(tokenizer->TokenBytes(258), "\xFF");
}

TEST(ByteBpeTest, RefusesBytesWithoutAToken) {
  TokenizerData data = Vocabulary({});
  data.tokens[0] = "gone";  // '!'
  const absl::Status status = Create(data)->Encode("a!", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no token for \"!\""));
  Add(data, "<|e|>", TokenType::kControl);
  data.unknown = 256;  // a control token, so text must not be encoded as it
  EXPECT_FALSE(Create(data)->Encode("a!", {}).ok());
  data.token_types[256] = TokenType::kUnknown;
  EXPECT_THAT(Split(data, "a!!"), ElementsAre("a", "<|e|>", "<|e|>"));
}

TEST(ByteBpeTest, RefusesMalformedMerges) {
  const auto refuses = [](const std::string& merge, const std::string& message) {
    TokenizerData data = Vocabulary({"a b"});
    Add(data, "<e>", TokenType::kControl);
    data.merges.push_back(merge);
    const absl::Status status = Tokenizer::Create(std::move(data)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("got merge 1"));
    EXPECT_THAT(std::string(status.message()), HasSubstr(message)) << merge;
  };
  for (const char* merge : {"", " ", "ab", "a ", " b", "a  b", "a b c", " a b"}) {
    refuses(merge, "two texts and a space between them");
  }
  for (const char* merge : {"x y", "zz b", "b zz", "< e>"}) {
    refuses(merge, "expected that the vocabulary has both texts");
  }
}

TEST(ByteBpeTest, TheFirstOfEqualMergesCounts) {
  EXPECT_THAT(Split(Vocabulary({"a b", "b c", "a b"}), "abc"), ElementsAre("ab", "c"));
}

TEST(ByteBpeTest, EmptyTextHasNoTokens) { EXPECT_THAT(Split(Vocabulary({}), ""), IsEmpty()); }

TEST(ByteBpeTest, DecodesToTheTextAndTokenBytesJoinToIt) {
  std::mt19937 random(5);
  const std::vector<std::string> alphabet = {"a",     "b", " ", "é", "\n",     "1", "'s",
                                             "<|e|>", "😁", "!", "ü", "\u4E00", "\t"};
  for (const char* pre : {"gpt-2", "llama-bpe", "qwen2", "smollm", "starcoder", "tekken", "gpt-4o",
                          "falcon", "deepseek-llm", "deepseek-coder", "deepseek-v3", "default"}) {
    TokenizerData data = Vocabulary({"a b", "Ġ a", "Ã ©", "Ġa b", "Ġ Ġ", "1 1", "' s"}, pre);
    Add(data, "<|e|>", TokenType::kControl);
    Add(data, "ü", TokenType::kUserDefined);
    const auto tokenizer = Create(data);
    for (int round = 0; round < 100; ++round) {
      std::string text;
      for (std::size_t i = random() % 20; i > 0; --i) text += alphabet[random() % alphabet.size()];
      const auto ids = Encode(*tokenizer, text);
      EXPECT_EQ(Decode(*tokenizer, ids), text);
      std::string bytes;
      for (const TokenId id : ids) bytes += tokenizer->TokenBytes(id);
      EXPECT_EQ(bytes, text);
      const auto parsed = Encode(*tokenizer, text, {.parse_control = true});
      EXPECT_EQ(Decode(*tokenizer, parsed, true), text);
    }
  }
}

// Work that grows with the square of the length would exceed the test's time limit.
TEST(ByteBpeTest, OneWordOfAMegabyteTakesLinearithmicTime) {
  const std::string text(std::size_t{1} << 20, 'a');
  const auto tokenizer = Create(Vocabulary({"a a", "aa aa", "aaaa a", "aaaaa aaaaa"}, "llama-bpe"));
  EXPECT_EQ(Decode(*tokenizer, Encode(*tokenizer, text)), text);
}

}  // namespace
}  // namespace recycling
