#include "common/constraint/token_masks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/constraint/gbnf.h"
#include "common/constraint/json_schema.h"
#include "tests/doubles/matchers.h"

namespace recycling::constraint {
namespace {

using doubles::IsOk;
using ::testing::ElementsAre;

TEST(TokenTrieTest, OrdersTokensByTheirTexts) {
  const TokenTrie trie({"b", "", "ab", "a", "ab", "abc"});
  EXPECT_THAT(trie.tokens(), ElementsAre(3, 2, 4, 5, 0));
  EXPECT_EQ(trie.height(), 3u);
  ASSERT_EQ(trie.nodes().size(), 5u);  // the root, a, ab, abc, b
  EXPECT_THAT(trie.TokensAt(0), ElementsAre());
  EXPECT_THAT(trie.TokensAt(1), ElementsAre(3));
  EXPECT_THAT(trie.TokensAt(2), ElementsAre(2, 4));
  EXPECT_THAT(trie.TokensFrom(1), ElementsAre(3, 2, 4, 5));
  EXPECT_THAT(trie.TokensFrom(0), ElementsAre(3, 2, 4, 5, 0));
  EXPECT_EQ(trie.nodes()[1].end, 4u);
  EXPECT_EQ(trie.nodes()[1].height, 2u);
  EXPECT_EQ(trie.nodes()[4].height, 0u);
  const TokenTrie empty({"", ""});
  EXPECT_EQ(empty.nodes().size(), 1u);
  EXPECT_EQ(empty.nodes()[0].end, 1u);
}

// All bytes, and pieces of texts.
std::vector<std::string> Vocabulary(const std::vector<std::string>& texts, std::mt19937& random) {
  std::vector<std::string> vocabulary = {""};
  for (int byte = 0; byte < 256; ++byte) vocabulary.emplace_back(1, static_cast<char>(byte));
  for (int i = 0; i < 2000; ++i) {
    const std::string& text = texts[random() % texts.size()];
    const std::size_t first = random() % text.size();
    vocabulary.push_back(text.substr(first, random() % 9 + 2));
  }
  vocabulary.push_back(std::string(40, 'a'));
  vocabulary.push_back(std::string(40, ' '));
  return vocabulary;
}

// Compares the masks along random texts with what the matcher says of each token.
void CheckMasks(const std::shared_ptr<const Grammar>& grammar, std::size_t most_bytes) {
  std::mt19937 random(1);
  const auto trie = std::make_shared<TokenTrie>(Vocabulary(
      {R"({"name": "Bob", "tags": ["a", "bcd", ""], "age": 12, "x": {"y": [1, 2.50, null]}})",
       R"(aaaaaaaaaaaabbbbbbbbbbbaaaaaaaaaabaaaaaaaaaaabababaaacb", "aaa\n\u00e9é€😀"}, {"": [[[]]], "a": -17e5}])"},
      random));
  TokenMasks masks(grammar, trie, most_bytes);
  std::vector<std::string> texts(trie->vocabulary());
  for (std::size_t node = 1; node < trie->nodes().size(); ++node) {
    for (const TokenId token : trie->TokensAt(node)) {
      std::string text;
      for (std::size_t above = 1; above <= node; ++above) {
        if (trie->nodes()[above].end > node)
          text.push_back(static_cast<char>(trie->nodes()[above].byte));
      }
      texts[token] = text;
    }
  }
  std::size_t allowed = 0;
  for (int run = 0; run < 12; ++run) {
    Matcher matcher(grammar);
    StateId state = matcher.start();
    for (int step = 0; step < 40; ++step) {
      const TokenMask mask = masks.Of(matcher, state);
      std::vector<TokenId> next;
      for (TokenId token = 0; token < texts.size(); ++token) {
        const bool fits = !texts[token].empty() && matcher.Next(state, texts[token]) != kDead;
        ASSERT_EQ(mask.Has(token), fits) << "token \"" << texts[token] << "\" in step " << step;
        if (fits) next.push_back(token);
      }
      ASSERT_FALSE(matcher.overflowed());
      EXPECT_EQ(mask.size(), next.size());
      allowed += next.size();
      if (next.empty()) break;
      state = matcher.Next(state, texts[next[random() % next.size()]]);
    }
  }
  EXPECT_GT(allowed, 1000u);
}

TEST(TokenMasksTest, AllowWhatTheMatcherAllows) {
  for (const char* schema :
       {R"({"type":"object"})",
        R"({"type":"object","properties":{"name":{"type":"string","minLength":3,"maxLength":30},
            "tags":{"type":"array","items":{"type":"string","maxLength":3},"minItems":2,"maxItems":15},
            "age":{"type":"integer","minimum":5,"maximum":130}},"required":["name","tags"]})",
        R"({"type":"array","items":{"enum":["a","aa","aaa\n",1,12,null]},"minItems":1})",
        R"({"anyOf":[{"type":"string","pattern":"^a{2,}$","maxLength":20},{"type":"number"},
            {"type":"array","items":{"$ref":"#"}}]})"}) {
    const auto grammar = CompileJsonSchema(schema);
    ASSERT_THAT(grammar, IsOk());
    CheckMasks(*grammar, 64 << 20);
    CheckMasks(*grammar, 1000);  // masks are dropped all the time
  }
}

// A token may end a count and go on within the same rule.
TEST(TokenMasksTest, AllowWhatCountsAllow) {
  for (const char* pattern :
       {"^a{10,12}b{9,11}$", "^(?:a{9,12}b){9,12}c$", "^(?:ab?){9,20}a{3}c*$"}) {
    const auto grammar = CompileJsonSchema(
        absl::StrCat(R"({"type":"array","items":{"type":"string","pattern":")", pattern, "\"}}"));
    ASSERT_THAT(grammar, IsOk());
    CheckMasks(*grammar, 64 << 20);
  }
}

TEST(TokenMasksTest, AllowWhatAmbiguousGrammarsAllow) {
  const auto grammar = ParseGbnf(
      "root ::= (x | y | \"[\" root \"]\" | \"[\" root \"}\"){1,20}\n"
      "x ::= \"a\"{3,12} \"b\"?\ny ::= (\"a\" | \"aa\" | \"\\\"\"){2,30} \"c\"*\n");
  ASSERT_THAT(grammar, IsOk());
  CheckMasks(*grammar, 64 << 20);
}

}  // namespace
}  // namespace recycling::constraint
