#include "common/constraint/constraint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/doubles/matchers.h"

namespace recycling::constraint {
namespace {

using doubles::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Kind = TextConstraint::Kind;

class ConstraintCacheTest : public ::testing::Test {
 protected:
  std::unique_ptr<OutputConstraint> Open(Kind kind, const std::string& text,
                                         bool ignore_eos = false) {
    auto constraint = cache_.Open({.kind = kind, .text = text}, ignore_eos);
    EXPECT_THAT(constraint, IsOk());
    return *std::move(constraint);
  }

  // The tokens that may follow `path`.
  static std::vector<TokenId> Allowed(OutputConstraint& constraint,
                                      const std::vector<TokenId>& path = {}) {
    const auto words = constraint.AllowedAfter(path);
    EXPECT_THAT(words, IsOk());
    std::vector<TokenId> tokens;
    for (TokenId token = 0; token < 8; ++token) {
      if (((*words)[0] >> token & 1) != 0) tokens.push_back(token);
    }
    return tokens;
  }

  int reads_ = 0;
  ConstraintCache cache_{[this]() -> absl::StatusOr<Vocabulary> {
    ++reads_;
    return Vocabulary{.texts = {"", "a", "b", "ab", "1", "{", "}", ""}, .eos_ids = {0, 7}};
  }};
};

TEST_F(ConstraintCacheTest, AllowsWhatFollowsThePath) {
  const auto constraint = Open(Kind::kPattern, "^a(b|1)*$");
  EXPECT_THAT(Allowed(*constraint), ElementsAre(1, 3));
  EXPECT_THAT(Allowed(*constraint, {1}), ElementsAre(0, 2, 4, 7)) << "the text is complete here";
  EXPECT_THAT(Allowed(*constraint), ElementsAre(1, 3)) << "a path commits nothing";
  const auto state = constraint->StateAfter(std::vector<TokenId>{3, 4});
  ASSERT_THAT(state, IsOk());
  constraint->Commit(*state);
  EXPECT_THAT(Allowed(*constraint), ElementsAre(0, 2, 4, 7));
  EXPECT_TRUE(constraint->Ends(7));
  EXPECT_FALSE(constraint->Ends(1));
  EXPECT_THAT(constraint->StateAfter(std::vector<TokenId>{2, 0}), IsOk());
  EXPECT_THAT(std::string(constraint->StateAfter(std::vector<TokenId>{1}).status().message()),
              HasSubstr("token 1 of the output does not fit"));
}

TEST_F(ConstraintCacheTest, IgnoringTheEndDelaysIt) {
  const auto constraint = Open(Kind::kGrammar, "root ::= \"a\" \"b\"{0,2}", true);
  EXPECT_THAT(Allowed(*constraint, {1}), ElementsAre(2));
  EXPECT_THAT(Allowed(*constraint, {3}), ElementsAre(2));
  EXPECT_THAT(Allowed(*constraint, {3, 2}), ElementsAre(0, 7)) << "nothing else can follow";
}

TEST_F(ConstraintCacheTest, ReadsTheVocabularyOnceAndOnlyIfNeeded) {
  EXPECT_EQ(reads_, 0);
  for (int i = 0; i < 20; ++i)
    Open(Kind::kGrammar, "root ::= \"a\"{" + std::to_string(i % 12 + 1) + "}");
  EXPECT_THAT(Allowed(*Open(Kind::kJsonSchema, R"({"type":"object"})")), ElementsAre(5));
  EXPECT_EQ(reads_, 1);
}

TEST_F(ConstraintCacheTest, NamesWhatCannotBeCompiled) {
  const auto error = [this](Kind kind, const std::string& text) {
    const std::string message(CheckConstraint({.kind = kind, .text = text}).message());
    EXPECT_EQ(std::string(cache_.Open({.kind = kind, .text = text}, false).status().message()),
              message);
    return message;
  };
  EXPECT_THAT(error(Kind::kJsonSchema, "{\"not\":{}}"),
              HasSubstr("schema: $: the keyword \"not\""));
  EXPECT_THAT(error(Kind::kJsonSchema, "false"), HasSubstr("schema: no text fulfils"));
  EXPECT_THAT(error(Kind::kPattern, "("), HasSubstr("pattern: byte 1"));
  EXPECT_THAT(error(Kind::kGrammar, "root ::= root \"a\" | \"b\""),
              HasSubstr("grammar: rule \"root\""));
}

}  // namespace
}  // namespace recycling::constraint
