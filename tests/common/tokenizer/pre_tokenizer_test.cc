// The words that each pre-tokenizer must find. The expected words were derived by hand from its
// patterns.
#include "common/tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

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

TEST(LlamaBpePatternTest, IsTheOnlyPatternThatUsesWholeWordTokens) {
  for (const char* name : {"gpt-2", "qwen2", "smollm", "starcoder", "deepseek-llm", "default"}) {
    EXPECT_FALSE(PreTokenizer::Create(name)->whole_words()) << name;
  }
  EXPECT_TRUE(PreTokenizer::Create("llama-bpe")->whole_words());
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
  EXPECT_THAT(refused("tekken"), HasSubstr("pre-tokenizer \"tekken\" is not supported"));
  EXPECT_THAT(refused(std::string("gpt-2\0\xFF", 7)), HasSubstr("\"gpt-2\\x00\\xff\""));
  EXPECT_LT(refused(std::string(1 << 20, 'x')).size(), 200u);
}

// Work that grows with the square of the length would exceed the test's time limit.
TEST(PreTokenizerTest, LongRunsTakeLinearTime) {
  constexpr std::size_t kBytes = std::size_t{1} << 18;
  for (const char* name :
       {"gpt-2", "llama-bpe", "qwen2", "smollm", "starcoder", "deepseek-llm", "default"}) {
    for (const char* unit : {" ", "a", "1", "!", "'", "\n", "\u4E00", " \n", "\u0301"}) {
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
  for (const char* name : {"gpt-2", "llama-bpe", "starcoder", "deepseek-llm", "default"}) {
    const auto pre_tokenizer = PreTokenizer::Create(name);
    for (const char unit : {' ', '\n', 'a', '!', '1'}) {
      const auto ends = pre_tokenizer->Split(std::string(std::size_t{1} << 20, unit));
      EXPECT_TRUE(ends.ok()) << name << " on " << static_cast<int>(unit) << ": " << ends.status();
    }
  }
}

}  // namespace
}  // namespace recycling
