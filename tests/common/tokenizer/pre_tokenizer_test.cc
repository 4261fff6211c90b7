// The words that each pre-tokenizer must find. The expected words were derived by hand from its
// patterns.
#include "common/tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace recycling {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Words(std::string_view name, std::string_view text) {
  const auto pre_tokenizer = PreTokenizer::Create(name);
  if (!pre_tokenizer.ok()) return {pre_tokenizer.status().ToString()};
  const auto ends = pre_tokenizer->Split(text);
  if (!ends.ok()) return {ends.status().ToString()};
  std::vector<std::string> words;
  std::size_t begin = 0;
  for (const std::size_t end : *ends) {
    words.emplace_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

TEST(Gpt2PatternTest, CutsContractionsInLowerCaseOnly) {
  EXPECT_THAT(
      Words("gpt-2", "I've 'told he'll, 'RE We'D"),
      ElementsAre("I", "'ve", " '", "told", " he", "'ll", ",", " '", "RE", " We", "'", "D"));
  EXPECT_THAT(Words("gpt-2", "'told"), ElementsAre("'t", "old"));
}

TEST(Gpt2PatternTest, CutsLettersDigitsAndSignsEachWithOneSpaceBefore) {
  EXPECT_THAT(Words("gpt-2", "abc123 4567 ... x"),
              ElementsAre("abc", "123", " 4567", " ...", " x"));
  EXPECT_THAT(Words("gpt-2", "x½² 我想apple～"), ElementsAre("x", "½²", " 我想apple", "～"));
  EXPECT_THAT(Words("gpt-2", "🚀 (😶‍🌫️)"), ElementsAre("🚀", " (😶‍🌫️)"));
}

TEST(Gpt2PatternTest, KeepsTheLastSpaceForTheWord) {
  EXPECT_THAT(Words("gpt-2", "a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(Words("gpt-2", "a \n b"), ElementsAre("a", " \n", " b"));
  EXPECT_THAT(Words("gpt-2", "a\tb\n\nc  "), ElementsAre("a", "\t", "b", "\n", "\n", "c", "  "));
}

TEST(Gpt2PatternTest, CombiningMarksAreNotLetters) {
  EXPECT_THAT(Words("gpt-2", "e\u0301a"), ElementsAre("e", "\u0301", "a"));
}

TEST(Gpt2PatternTest, SpaceIsAnyUnicodeWhiteSpace) {
  for (const char* space : {"\v", "\f", "\r", "\u0085", "\u00A0", "\u2028", "\u3000"}) {
    const std::string text = std::string("!") + space + "!";
    EXPECT_THAT(Words("gpt-2", text), ElementsAre("!", space, "!")) << text;
  }
  EXPECT_THAT(Words("gpt-2", "!\u200B!"), ElementsAre("!\u200B!"));
}

TEST(LlamaBpePatternTest, CutsContractionsInAnyCase) {
  EXPECT_THAT(Words("llama-bpe", "I'VE it'S y'all 'Llx"),
              ElementsAre("I", "'VE", " it", "'S", " y", "'all", " '", "Llx"));
  EXPECT_THAT(Words("llama-bpe", "'\u017Fx"), ElementsAre("'\u017F", "x"));
}

TEST(LlamaBpePatternTest, PutsOneSignIntoTheWordThatFollowsIt) {
  EXPECT_THAT(Words("llama-bpe", "(word\tword e\u0301a"),
              ElementsAre("(word", "\tword", " e", "\u0301a"));
  EXPECT_THAT(Words("llama-bpe", "((word"), ElementsAre("((", "word"));
}

TEST(LlamaBpePatternTest, GroupsDigitsByThreeWithoutSpace) {
  EXPECT_THAT(Words("llama-bpe", "12345 6"), ElementsAre("123", "45", " ", "6"));
}

TEST(LlamaBpePatternTest, KeepsLineEndsTogetherAndWithTheSignsBefore) {
  EXPECT_THAT(Words("llama-bpe", "a!!\n\nb"), ElementsAre("a", "!!\n\n", "b"));
  EXPECT_THAT(Words("llama-bpe", "a \r\n\n b  c"), ElementsAre("a", " \r\n\n", " b", " ", " c"));
  EXPECT_THAT(Words("llama-bpe", "a   \n  "), ElementsAre("a", "   \n", "  "));
}

TEST(PreTokenizerTest, SomeUseWholeWordTokens) {
  for (const char* name : {"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "tekken"}) {
    EXPECT_TRUE(PreTokenizer::Create(name)->whole_words()) << name;
  }
  for (const char* name : {"gpt-2", "qwen2", "smollm", "dbrx", "smaug-bpe", "gpt-4o", "falcon",
                           "deepseek-llm", "deepseek-coder", "deepseek-v3", "default"}) {
    EXPECT_FALSE(PreTokenizer::Create(name)->whole_words()) << name;
  }
}

TEST(PreTokenizerTest, AliasesHaveTheSamePatterns) {
  const std::vector<std::vector<const char*>> groups = {
      {"gpt-2", "mpt", "olmo", "exaone4"},
      {"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "dbrx", "smaug-bpe"},
      {"qwen2", "deepseek-r1-qwen", "stablelm2"},
      {"smollm", "starcoder", "refact"}};
  for (const auto& names : groups) {
    for (const char* name : names) {
      const char* text = "I'VE  (word 12345\n\n!x";
      EXPECT_EQ(Words(name, text), Words(names.front(), text)) << name;
    }
  }
}

TEST(TekkenPatternTest, CutsWhereAnUpperCaseLetterFollowsALowerCaseOne) {
  EXPECT_THAT(Words("tekken", "camelCase HTTPServer iPhone"),
              ElementsAre("camel", "Case", " HTTPServer", " i", "Phone"));
  EXPECT_THAT(Words("tekken", "I'll (word 12 ABC"),
              ElementsAre("I", "'ll", " (", "word", " ", "1", "2", " ABC"));
  EXPECT_THAT(Words("tekken", "我想在 e\u0301a"), ElementsAre("我想在", " e\u0301a"));
}

TEST(TekkenPatternTest, KeepsLineEndsAndSlashesWithTheSignsBefore) {
  EXPECT_THAT(Words("tekken", "a!/\n/b  \n c"), ElementsAre("a", "!/\n/", "b", "  \n", " c"));
}

TEST(Gpt4oPatternTest, KeepsContractionsWithTheWord) {
  EXPECT_THAT(Words("gpt-4o", "I'll We'D don't 1234"),
              ElementsAre("I'll", " We'D", " don't", " ", "123", "4"));
  EXPECT_THAT(Words("gpt-4o", "camelCase'S ABC're"), ElementsAre("camel", "Case'S", " ABC're"));
}

TEST(FalconPatternTest, CutsPunctuationThenGpt2sWordsThenAsciiDigitsByThree) {
  EXPECT_THAT(Words("falcon", "Hello, y'all 12345 ½¼¾½"),
              ElementsAre("Hello", ",", " y", "'", "all", " ", "123", "45", " ½¼¾½"));
  EXPECT_THAT(Words("falcon", "a`b $5"), ElementsAre("a", "`", "b", " ", "$", "5"));
}

TEST(DeepseekCoderPatternTest, CutsLettersSignsIdeographsAndDigits) {
  EXPECT_THAT(Words("deepseek-coder", "x = foo(12);\r\n 我a"),
              ElementsAre("x", " =", " foo", "(", "1", "2", ");", "\r", "\n", " ", "我", "a"));
}

TEST(DeepseekV3PatternTest, CutsDigitsIdeographsAndWords) {
  EXPECT_THAT(Words("deepseek-v3", "12345 我かカx"), ElementsAre("123", "45", " ", "我かカ", "x"));
  EXPECT_THAT(Words("deepseek-v3", "(word e\u0301a !!\n  b"),
              ElementsAre("(word", " e\u0301a", " !!\n", " ", " b"));
}

TEST(Qwen2PatternTest, IsThePatternOfLlamaBpeWithSingleDigits) {
  EXPECT_THAT(Words("qwen2", "I'VE (word 345\n!"),
              ElementsAre("I", "'VE", " (", "word", " ", "3", "4", "5", "\n", "!"));
}

TEST(StarcoderPatternTest, IsThePatternOfGpt2WithSingleDigits) {
  for (const char* name : {"starcoder", "smollm"}) {
    EXPECT_THAT(Words(name, "I'll a12 3.5 ½"),
                ElementsAre("I", "'ll", " a", "1", "2", " ", "3", ".", "5", " ", "½"));
    EXPECT_THAT(Words(name, "a  \n b  "), ElementsAre("a", "  \n", " b", "  "));
  }
}

TEST(DeepseekLlmPatternTest, CutsLineEndsOneByOne) {
  EXPECT_THAT(Words("deepseek-llm", "a\r\n\n b"), ElementsAre("a", "\r", "\n", "\n", " b"));
}

TEST(DeepseekLlmPatternTest, CutsByScript) {
  EXPECT_THAT(Words("deepseek-llm", "我想在apple工作1314 нещо"),
              ElementsAre("我想在", "apple", "工作", "1314", " нещо"));
  EXPECT_THAT(Words("deepseek-llm", "안녕 កាន់"), ElementsAre("안녕", " ", "កាន់"));
}

TEST(DeepseekLlmPatternTest, CutsSignsWithOneSpaceBefore) {
  EXPECT_THAT(Words("deepseek-llm", "y'all!  ... ～"),
              ElementsAre("y", "'", "all", "!", " ", " ...", " ～"));
}

// The pattern's range from ':' to '~' includes the ASCII letters. Its range from U+0800 includes
// the ideographic full stop.
TEST(DeepseekLlmPatternTest, LaterPatternsCutThePiecesOfEarlierPatterns) {
  EXPECT_THAT(Words("deepseek-llm", "a Führer"), ElementsAre("a", " F", "ü", "hrer"));
  EXPECT_THAT(Words("deepseek-llm", "～。"), ElementsAre("～", "。"));
}

TEST(DeepseekLlmPatternTest, KeepsSpaceBeforeDigitsAndAtTheEndTogether) {
  EXPECT_THAT(Words("deepseek-llm", "a   3   "), ElementsAre("a", "   ", "3", "   "));
  EXPECT_THAT(Words("deepseek-llm", "a   b\t \n  "),
              ElementsAre("a", "  ", " b", "\t ", "\n", "  "));
}

TEST(DefaultPatternTest, CutsPunctuationThenGpt2sWordsThenDigitsByThree) {
  EXPECT_THAT(Words("default", "Hello, y'all 12345!"),
              ElementsAre("Hello", ",", " y", "'", "all", " ", "123", "45", "!"));
  EXPECT_THAT(Words("default", "$5+x a`b ½"),
              ElementsAre("$", "5", "+", "x", " a", "`", "b", " ", "½"));
  EXPECT_EQ(Words("", "a'b 1234"), Words("default", "a'b 1234"));
}

TEST(PreTokenizerTest, EmptyTextHasNoWords) { EXPECT_THAT(Words("gpt-2", ""), ElementsAre()); }

TEST(PreTokenizerTest, NamesThePreTokenizerThatItRefuses) {
  const auto refused = [](const std::string& name) {
    const absl::Status status = PreTokenizer::Create(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    return std::string(status.message());
  };
  EXPECT_THAT(refused("gemma4"), HasSubstr("pre-tokenizer \"gemma4\" is not supported"));
  EXPECT_THAT(refused(std::string("gpt-2\0\xFF", 7)), HasSubstr("\"gpt-2\\x00\\xff\""));
  EXPECT_LT(refused(std::string(1 << 20, 'x')).size(), 500u);
}

// One name of each list of patterns.
constexpr const char* kDifferent[] = {"gpt-2",          "llama-bpe",   "qwen2",  "starcoder",
                                      "tekken",         "gpt-4o",      "falcon", "deepseek-llm",
                                      "deepseek-coder", "deepseek-v3", "default"};

// Work that grows with the square of the length would exceed the test's time limit.
TEST(PreTokenizerTest, LongRunsTakeLinearTime) {
  constexpr std::size_t kBytes = std::size_t{1} << 18;
  for (const char* name : kDifferent) {
    for (const char* unit : {" ", "a", "A", "1", "!", "'", "\n", "\u4E00", " \n", "\u0301"}) {
      for (const char* last : {"", "x", "7", "\u0E01"}) {
        std::string text;
        while (text.size() < kBytes / 4) text += unit;
        text += last;
        std::string joined;
        for (const std::string& word : Words(name, text)) joined += word;
        ASSERT_TRUE(joined == text) << name << " on " << unit << " and " << last;
      }
    }
  }
}

// ICU's regex stack has 8 MB. A pattern that needs a frame for each character would overflow it.
TEST(PreTokenizerTest, RunsOfAMegabyteDoNotOverflowTheStack) {
  for (const char* name : kDifferent) {
    const auto pre_tokenizer = PreTokenizer::Create(name);
    for (const char unit : {' ', '\n', 'a', 'A', '!', '1'}) {
      const auto ends = pre_tokenizer->Split(std::string(std::size_t{1} << 20, unit));
      EXPECT_TRUE(ends.ok()) << name << " on " << static_cast<int>(unit) << ": " << ends.status();
    }
  }
}

}  // namespace
}  // namespace recycling
