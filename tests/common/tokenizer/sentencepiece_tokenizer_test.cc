// The tokenizer for model "llama", with vocabularies of a few tokens.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <random>

#include "common/tokenizer/tokenizer.h"

namespace recycling {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Pieces = std::vector<std::pair<std::string, float>>;

constexpr TokenId kUnknownId = 0;
constexpr TokenId kBos = 1;
constexpr TokenId kEos = 2;
constexpr TokenId kFirstByte = 3;
constexpr TokenId kFirstPiece = kFirstByte + 256;

void Add(TokenizerData& data, std::string token, float score, TokenType type) {
  data.tokens.push_back(std::move(token));
  data.scores.push_back(score);
  data.token_types.push_back(type);
}

// A vocabulary of <unk>, <s>, </s>, the 256 byte tokens, and `pieces` from id kFirstPiece on.
TokenizerData Vocabulary(const Pieces& pieces) {
  TokenizerData data = {.model = "llama", .bos = kBos, .eos = kEos, .unknown = kUnknownId};
  Add(data, "<unk>", 0, TokenType::kUnknown);
  Add(data, "<s>", 0, TokenType::kControl);
  Add(data, "</s>", 0, TokenType::kControl);
  for (unsigned byte = 0; byte < 256; ++byte) {
    char token[7];
    std::snprintf(token, sizeof(token), "<0x%02X>", byte);
    Add(data, token, 0, TokenType::kByte);
  }
  for (const auto& [token, score] : pieces) Add(data, token, score, TokenType::kNormal);
  return data;
}

// The same without byte tokens; pieces begin at id 3.
TokenizerData WithoutBytes(const Pieces& pieces) {
  TokenizerData data = Vocabulary({});
  data.tokens.resize(kFirstByte);
  data.scores.resize(kFirstByte);
  data.token_types.resize(kFirstByte);
  for (const auto& [token, score] : pieces) Add(data, token, score, TokenType::kNormal);
  return data;
}

std::unique_ptr<const Tokenizer> Create(TokenizerData data) {
  auto tokenizer = Tokenizer::Create(std::move(data));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return tokenizer.ok() ? *std::move(tokenizer) : nullptr;
}

absl::Status CreateError(TokenizerData data) { return Tokenizer::Create(std::move(data)).status(); }

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

TEST(SentencePieceTest, JoinsTheHighestScoreFirst) {
  const Pieces letters = {{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -2}, {"bc", -1}};
  EXPECT_THAT(Split(Vocabulary(letters), "abc"), ElementsAre("a", "bc"));
}

TEST(SentencePieceTest, JoinsTheLeftmostOfEqualScores) {
  EXPECT_THAT(Split(Vocabulary({{"a", 0}, {"aa", -1}}), "aaa"), ElementsAre("aa", "a"));
}

TEST(SentencePieceTest, WithoutScoresAllTokensRankEqual) {
  TokenizerData data = Vocabulary({{"a", 0}, {"b", 0}, {"ab", 0}, {"ba", 5}});
  data.scores.clear();
  EXPECT_THAT(Split(data, "aba"), ElementsAre("ab", "a"));
}

TEST(SentencePieceTest, JoinsAnyTwoPiecesWhoseTextIsAToken) {
  EXPECT_THAT(Split(Vocabulary({{"a", 0}, {"bc", -1}, {"abc", -2}}), "abc"), ElementsAre("abc"));
  EXPECT_THAT(Split(Vocabulary({{"ab", -1}, {"abc", -2}}), "abc"), ElementsAre("abc"));
  EXPECT_THAT(Split(Vocabulary({{"abcd", 0}}), "abcd"),
              ElementsAre("<0x61>", "<0x62>", "<0x63>", "<0x64>"));
}

TEST(SentencePieceTest, TheLastOfEqualTokensCounts) {
  EXPECT_THAT(Encode(*Create(Vocabulary({{"a", 0}, {"a", 0}})), "a"), ElementsAre(kFirstPiece + 1));
}

TEST(SentencePieceTest, FallsBackToBytes) {
  EXPECT_THAT(Split(Vocabulary({{"a", 0}}), "aé😁"),
              ElementsAre("a", "<0xC3>", "<0xA9>", "<0xF0>", "<0x9F>", "<0x98>", "<0x81>"));
}

TEST(SentencePieceTest, FallsBackToOneUnknownTokenForARunWithoutBytes) {
  EXPECT_THAT(Split(WithoutBytes({{"a", 0}}), "xyaz"), ElementsAre("<unk>", "a", "<unk>"));
}

TEST(SentencePieceTest, RefusesCharactersWithoutATokenOrBytes) {
  TokenizerData data = WithoutBytes({{"a", 0}});
  data.unknown.reset();
  const absl::Status status = Create(data)->Encode("aé", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no token for \"\\xc3\\xa9\""));
  data.unknown = kEos;  // a control token, so text must not be encoded as it
  EXPECT_FALSE(Create(data)->Encode("b", {}).ok());
}

TEST(SentencePieceTest, PutsTheDummyPrefixBeforeTextOnly) {
  TokenizerData data = Vocabulary({{"▁", -9}, {"▁▁", -2}, {"a", -9}, {"▁a", -1}});
  EXPECT_THAT(Split(data, " a"), ElementsAre("▁a"));
  data.add_space_prefix = true;
  EXPECT_THAT(Split(data, "a"), ElementsAre("▁a"));
  EXPECT_THAT(Split(data, " a"), ElementsAre("▁", "▁a"));
  EXPECT_THAT(Split(data, " "), ElementsAre("▁▁"));
  EXPECT_THAT(Split(data, ""), IsEmpty());
  EXPECT_THAT(Split(data, "a<s>a</s>", {.parse_control = true}),
              ElementsAre("▁a", "<s>", "▁a", "</s>"));
}

TEST(SentencePieceTest, AgreesWithTheExampleInTheReadme) {
  TokenizerData data = Vocabulary({{"▁", -1}, {"a", -2}, {"b", -3}, {"ab", -4}, {"▁a", -5}});
  data.add_space_prefix = true;
  EXPECT_THAT(Split(data, "ab ab"), ElementsAre("▁", "ab", "▁", "ab"));
}

TEST(SentencePieceTest, AddsBosAndEosIfTheDataAsks) {
  TokenizerData data = Vocabulary({{"a", 0}});
  EXPECT_THAT(Split(data, "a"), ElementsAre("a"));
  data.add_bos = true;
  EXPECT_THAT(Split(data, ""), ElementsAre("<s>"));
  data.add_eos = true;
  EXPECT_THAT(Split(data, "a"), ElementsAre("<s>", "a", "</s>"));
  EXPECT_THAT(Split(data, "a", {.add_special = false}), ElementsAre("a"));
}

TEST(SentencePieceTest, TextBecomesAControlTokenOnlyIfAskedFor) {
  const TokenizerData data = Vocabulary({{"<", 0}, {"s", 0}, {">", 0}, {"<s", -1}});
  EXPECT_THAT(Split(data, "<s>"), ElementsAre("<s", ">"));
  EXPECT_THAT(Split(data, "<s>", {.parse_control = true}), ElementsAre("<s>"));
  EXPECT_THAT(Encode(*Create(data), "<0x41><unk>", {.parse_control = true}).size(), 11u);
}

TEST(SentencePieceTest, AlwaysFindsUserDefinedTokensLongestFirst) {
  TokenizerData data = Vocabulary({{"▁", 0}, {"a", 0}});
  Add(data, "[x]", 0, TokenType::kUserDefined);
  Add(data, "[x] [y]", 0, TokenType::kUserDefined);
  EXPECT_THAT(Split(data, "a[x] [x] [y]"), ElementsAre("a", "[x]", "▁", "[x] [y]"));
}

TEST(SentencePieceTest, DecodesToTheTextWithoutTheDummyPrefix) {
  TokenizerData data = Vocabulary({{"▁", 0}, {"▁a", 0}, {"é", 0}});
  data.add_space_prefix = data.add_bos = data.add_eos = true;
  const auto tokenizer = Create(data);
  const std::vector<TokenId> ids = Encode(*tokenizer, "a éü");
  EXPECT_EQ(Decode(*tokenizer, ids), "a éü");
  EXPECT_EQ(Decode(*tokenizer, ids, true), "<s>a éü</s>");
  EXPECT_EQ(Decode(*tokenizer, {kUnknownId}), "");
  EXPECT_EQ(Decode(*tokenizer, {kUnknownId}, true), "<unk>");
}

TEST(SentencePieceTest, RefusesToDecodeUnknownIds) {
  const auto tokenizer = Create(Vocabulary({}));
  const auto text = tokenizer->Decode(std::vector<TokenId>{3, kFirstPiece}, false);
  EXPECT_EQ(text.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(text.status().message()), HasSubstr("id 259, expected less than 259"));
  EXPECT_EQ(tokenizer->TokenBytes(kFirstPiece), "");
}

TEST(SentencePieceTest, RefusesBadByteTokens) {
  TokenizerData data = Vocabulary({});
  data.tokens[kFirstByte + 1] = "<0x00>";
  EXPECT_THAT(std::string(CreateError(data).message()),
              HasSubstr("tokens 3 and 4 stand for the same byte"));
  for (const char* token : {"<0x1>", "<0x1G>", "<0x001>", "0x01", "", "<0x 1>", "<0x-1>"}) {
    data.tokens[kFirstByte + 1] = token;
    EXPECT_THAT(std::string(CreateError(data).message()),
                HasSubstr("byte token 4 is not written <0xNN>"))
        << token;
  }
}

// Tests with random vocabularies and random texts of a small alphabet.
class SentencePieceRandomTest : public testing::Test {
 protected:
  std::size_t Below(std::size_t bound) { return random_() % bound; }

  std::string Text(std::initializer_list<const char*> alphabet, std::size_t length) {
    std::string text;
    for (std::size_t i = 0; i < length; ++i) text += *(alphabet.begin() + Below(alphabet.size()));
    return text;
  }

  TokenizerData RandomVocabulary() {
    Pieces pieces = {{"▁", -1}};
    for (int i = 0; i < 20; ++i) {
      pieces.emplace_back(Text({"a", "b", "▁", "é"}, 1 + Below(5)), -static_cast<float>(Below(6)));
    }
    return Vocabulary(pieces);
  }

  std::mt19937 random_{3};
};

// Tokenizes by the definition: joins the best pair of symbols until no joined text is a token.
std::vector<std::string> SplitByDefinition(const TokenizerData& data,
                                           std::vector<std::string> symbols) {
  while (true) {
    std::size_t best = symbols.size();
    float best_score = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      for (std::size_t id = data.tokens.size(); id-- > kFirstPiece;) {
        if (data.tokens[id] != symbols[i] + symbols[i + 1]) continue;
        if (best == symbols.size() || data.scores[id] > best_score) {
          best = i;
          best_score = data.scores[id];
        }
        break;
      }
    }
    if (best == symbols.size()) return symbols;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
}

TEST_F(SentencePieceRandomTest, EqualsTokenizationByTheDefinition) {
  for (int round = 0; round < 200; ++round) {
    const TokenizerData data = RandomVocabulary();
    const auto tokenizer = Create(data);
    std::string text;
    std::vector<std::string> symbols;
    for (std::size_t i = 0; i < 30; ++i) {
      const std::string character = Text({"a", "b", " ", "é"}, 1);
      text += character;
      symbols.push_back(character == " " ? "▁" : character);
    }
    std::vector<std::string> split;
    std::string bytes;
    for (const TokenId id : Encode(*tokenizer, text)) {
      if (id >= kFirstPiece) {
        split.push_back(data.tokens[id]);
        continue;
      }
      bytes += tokenizer->TokenBytes(
          id);  // collects the byte tokens of a character, which has one or two bytes
      if (bytes[0] == 'a' || bytes[0] == 'b' || bytes.size() == 2) {
        split.push_back(std::exchange(bytes, ""));
      }
    }
    EXPECT_EQ(split, SplitByDefinition(data, symbols)) << text;
  }
}

TEST_F(SentencePieceRandomTest, DecodesToTheOriginalText) {
  for (int round = 0; round < 200; ++round) {
    TokenizerData data = RandomVocabulary();
    Add(data, "[x]", 0, TokenType::kUserDefined);
    data.add_space_prefix = round % 2 == 0;
    const auto tokenizer = Create(data);
    const std::string text = Text({"a", "b", " ", "é", "<s>", "[x]", "\n", "😁"}, Below(20));
    EXPECT_EQ(Decode(*tokenizer, Encode(*tokenizer, text)), text);
    const auto parsed = Encode(*tokenizer, text, {.parse_control = true});
    EXPECT_EQ(Decode(*tokenizer, parsed, true), text);
  }
}

TEST_F(SentencePieceRandomTest, TokenBytesAddUpToTheTextAfterTheDummyPrefix) {
  for (int round = 0; round < 100; ++round) {
    TokenizerData data = RandomVocabulary();
    data.add_space_prefix = true;
    const auto tokenizer = Create(data);
    const std::string text = Text({"a", "b", " ", "é", "\t", "😁"}, 1 + Below(20));
    std::string bytes;
    for (const TokenId id : Encode(*tokenizer, text)) bytes += tokenizer->TokenBytes(id);
    EXPECT_EQ(bytes, " " + text);
  }
}

// Work that grows with the square of the length would exceed the test's time limit.
TEST(SentencePieceTest, LongTextsAndNestedTokensTakeLinearithmicTime) {
  TokenizerData data = Vocabulary({});
  std::string token;
  for (int length = 1; length <= 2000; ++length) {
    token += 'a';
    Add(data, token, static_cast<float>(length), TokenType::kNormal);
  }
  const std::string text(std::size_t{1} << 20, 'a');
  const auto tokenizer = Create(data);
  EXPECT_EQ(Decode(*tokenizer, Encode(*tokenizer, text)), text);
}

}  // namespace
}  // namespace recycling
