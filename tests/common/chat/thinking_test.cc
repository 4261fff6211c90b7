#include "common/chat/thinking.h"

#include <gtest/gtest.h>

#include <vector>

namespace recycling::chat {
namespace {

constexpr ThinkingMarkers kMarkers = {"<think>", "</think>"};

// The parts of `answer`, which comes in pieces of `size` bytes.
AnswerParts Split(std::string_view answer, bool inside, std::size_t size) {
  ThinkingSplitter splitter({kMarkers, inside});
  AnswerParts all;
  const auto add = [&all](const AnswerParts& parts) {
    all.thinking += parts.thinking;
    all.content += parts.content;
  };
  for (; !answer.empty(); answer.remove_prefix(std::min(size, answer.size()))) {
    add(splitter.Add(answer.substr(0, size)));
  }
  add(splitter.End());
  return all;
}

struct Case {
  std::string_view answer;
  bool inside;
  std::string_view thinking;
  std::string_view content;
};

TEST(ThinkingSplitterTest, SplitsInPiecesOfEverySize) {
  const std::vector<Case> cases = {
      {"<think>\nIs it?\n</think>\n\nYes.\n", false, "Is it?", "Yes.\n"},
      {"\n<think>a</think>b", false, "a", "b"},
      {"a</think>b", true, "a", "b"},
      {"\n a \n b \n</think>\n b", true, "a \n b", "b"},
      {"</think>b", true, "", "b"},
      {"<think></think>", false, "", ""},
      // Markers further on, wrong ones and halves are text.
      {"b <think>a</think>", false, "", "b <think>a</think>"},
      {"<think>a</think>b</think><think>c", false, "a", "b</think><think>c"},
      {" <thinks>", false, "", " <thinks>"},
      {"<thi", false, "", "<thi"},
      {"  ", false, "", "  "},
      {"a </thi", true, "a </thi", ""},
      {"a </think </think>b", true, "a </think", "b"},
      {"a <think>b</think>c", true, "a <think>b", "c"},
      {"\xC3\xA4</think>\xC3\xB6", true, "\xC3\xA4", "\xC3\xB6"},
      {"", true, "", ""},
  };
  for (const Case& c : cases) {
    for (std::size_t size = 1; size <= c.answer.size() + 1; ++size) {
      const AnswerParts parts = Split(c.answer, c.inside, size);
      EXPECT_EQ(parts.thinking, c.thinking) << c.answer << " in pieces of " << size;
      EXPECT_EQ(parts.content, c.content) << c.answer << " in pieces of " << size;
    }
  }
}

TEST(ThinkingSplitterTest, HoldsBackOnlyWhatMayBeAMarker) {
  ThinkingSplitter splitter({kMarkers, true});
  EXPECT_EQ(splitter.Add("one two").thinking, "one two");
  EXPECT_EQ(splitter.Add(" </th").thinking, "");
  EXPECT_EQ(splitter.Add("ree").thinking, " </three");
  EXPECT_EQ(splitter.Add("</think>").thinking, "");
  EXPECT_EQ(splitter.Add("four").content, "four");
}

TEST(ThinkingMarkersOfTest, FindsTheMarkersOfATemplate) {
  EXPECT_EQ(ThinkingMarkersOf("{{ '<think>' }}{{ '</think>' }}")->open, "<think>");
  EXPECT_EQ(ThinkingMarkersOf("{% set end = '</seed:think>' %}")->open, "<seed:think>");
  EXPECT_EQ(ThinkingMarkersOf("[THINK]{{ thoughts }}[/THINK]")->close, "[/THINK]");
  EXPECT_FALSE(ThinkingMarkersOf("{{ messages[0].content }} thinks").has_value());
}

TEST(EndsInThinkingTest, LooksAtTheEndOfThePrompt) {
  EXPECT_TRUE(EndsInThinking("<|im_start|>assistant\n<think>\n", kMarkers));
  EXPECT_FALSE(EndsInThinking("<|im_start|>assistant\n<think>\n\n</think>\n\n", kMarkers));
  EXPECT_FALSE(EndsInThinking("<think>\nassistant:", kMarkers));
}

}  // namespace
}  // namespace recycling::chat
