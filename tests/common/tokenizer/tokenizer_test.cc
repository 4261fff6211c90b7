#include "common/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "absl/strings/escaping.h"

namespace recycling {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TokenizerData EveryField() {
  return {.model = "gpt2",
          .pre = "default",
          .tokens = {"a", "b", "ab", std::string("\xFF\0", 2)},
          .scores = {0.5f, -1.0f, -0.0f, 1e30f},
          .token_types = {TokenType::kNormal, TokenType::kControl, TokenType::kUserDefined,
                          TokenType::kByte},
          .merges = {"a b"},
          .bos = 1,
          .eos = 0,
          .unknown = 3,
          .add_bos = true,
          .add_space_prefix = true};
}

TEST(TokenizerDigestTest, IsSha256OfTheCanonicalForm) {
  // Computed by another program from the form in common/tokenizer/README.md.
  EXPECT_EQ(absl::BytesToHexString(TokenizerDigest(EveryField())),
            "7814daf0adb76ec00abefebd1fb83c59a1a44f6855c9b1ba05136b38332f457b");
}

TEST(TokenizerDigestTest, ChangesWithEveryField) {
  const std::vector<std::function<void(TokenizerData&)>> changes = {
      [](TokenizerData&) {},
      [](TokenizerData& d) { d.model = "gpt3"; },
      [](TokenizerData& d) { d.pre = ""; },
      [](TokenizerData& d) { d.model = "gpt2d", d.pre = "efault"; },
      [](TokenizerData& d) { d.tokens[0] = "c"; },
      [](TokenizerData& d) { d.tokens[0] = "ab", d.tokens[1] = ""; },
      [](TokenizerData& d) { d.tokens.emplace_back(); },
      [](TokenizerData& d) { d.scores[0] = 0.25f; },
      [](TokenizerData& d) { d.scores.clear(); },
      [](TokenizerData& d) { d.token_types[0] = TokenType::kUnused; },
      [](TokenizerData& d) { d.token_types.clear(); },
      [](TokenizerData& d) { d.merges[0] = "b a"; },
      [](TokenizerData& d) { d.merges.clear(); },
      [](TokenizerData& d) { d.bos = 2; },
      [](TokenizerData& d) { d.bos.reset(); },
      [](TokenizerData& d) { d.eos.reset(); },
      [](TokenizerData& d) { d.eot = 0; },
      [](TokenizerData& d) { d.eos.reset(), d.eot = 0; },
      [](TokenizerData& d) { d.unknown.reset(); },
      [](TokenizerData& d) { d.add_bos = false; },
      [](TokenizerData& d) { d.add_eos = true; },
      [](TokenizerData& d) { d.add_space_prefix = false; },
  };
  std::set<std::string> digests;
  for (const auto& change : changes) {
    TokenizerData data = EveryField();
    change(data);
    digests.insert(TokenizerDigest(data));
  }
  EXPECT_EQ(digests.size(), changes.size());
}

absl::Status CreateError(TokenizerData data) { return Tokenizer::Create(std::move(data)).status(); }

TEST(TokenizerTest, NamesTheModelThatItRefuses) {
  for (const char* model : {"bert", "t5", "rwkv", ""}) {
    const absl::Status status = CreateError({.model = model, .tokens = {"a"}});
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("model \"" + std::string(model) + "\" is not supported"));
  }
  const absl::Status pre = CreateError({.model = "gpt2", .pre = "gemma4", .tokens = {"a"}});
  EXPECT_EQ(pre.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(pre.message()), HasSubstr("\"gemma4\""));
}

TEST(TokenizerTest, RefusesInvalidFields) {
  const absl::Status status = CreateError({.model = "llama", .tokens = {"a"}, .bos = 1});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("got bos id 1, expected less than 1"));
  EXPECT_EQ(CreateError({.model = "llama"}).code(), absl::StatusCode::kInvalidArgument);
}

TEST(TokenizerTest, NamesTheFirstByteThatIsNotUtf8) {
  const auto tokenizer =
      Tokenizer::Create({.model = "llama", .tokens = {"a", "<unk>"}, .unknown = 1});
  ASSERT_TRUE(tokenizer.ok());
  const std::vector<std::pair<std::string, int>> cases = {
      {"a\x80", 1},             // continuation without a lead
      {"\xC3", 0},              // cut short
      {"é\xC3(", 2},            // wrong continuation
      {"aa\xC0\xAF", 2},        // an overlong form
      {"\xED\xA0\x80", 0},      // a surrogate
      {"\xF4\x90\x80\x80", 0},  // beyond the last code point
      {"a\xFF", 1},
  };
  for (const auto& [text, byte] : cases) {
    const absl::Status status = (*tokenizer)->Encode(text, {}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(std::string(status.message()), "text: not UTF-8 at byte " + std::to_string(byte));
  }
  EXPECT_TRUE((*tokenizer)->Encode(std::string("a\0\u0080\U0010FFFF", 8), {}).ok());
}

TEST(TokenizerTest, EndOfSequenceIdsAreEosAndEotAscendingAndDistinct) {
  const auto ids = [](std::optional<TokenId> eos, std::optional<TokenId> eot) {
    const auto tokenizer =
        Tokenizer::Create({.model = "llama", .tokens = {"a", "b", "c"}, .eos = eos, .eot = eot});
    return (*tokenizer)->EndOfSequenceIds();
  };
  EXPECT_THAT(ids({}, {}), IsEmpty());
  EXPECT_THAT(ids(2, {}), ElementsAre(2));
  EXPECT_THAT(ids({}, 1), ElementsAre(1));
  EXPECT_THAT(ids(2, 1), ElementsAre(1, 2));
  EXPECT_THAT(ids(2, 2), ElementsAre(2));
}

}  // namespace
}  // namespace recycling
