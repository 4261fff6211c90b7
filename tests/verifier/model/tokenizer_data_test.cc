#include "verifier/model/tokenizer_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "tests/doubles/tiny_model.h"

namespace recycling::verifier {
namespace {

using doubles::GgufWriter;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

absl::StatusOr<TokenizerData> Read(const GgufWriter& writer) {
  const std::string bytes = writer.Finish();
  const auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(bytes)));
  if (!file.ok()) return file.status();
  return ReadTokenizerData(**file);
}

GgufWriter Vocabulary(const std::string& model) {
  GgufWriter writer;
  writer.String("tokenizer.ggml.model", model);
  writer.Strings("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "a\xff"});
  return writer;
}

TEST(ReadTokenizerDataTest, SentencePieceDefaults) {
  const auto data = Read(Vocabulary("llama"));
  ASSERT_TRUE(data.ok()) << data.status();
  TokenizerData expected;
  expected.model = "llama";
  expected.tokens = {"<unk>", "<s>", "</s>", "a\xff"};
  expected.bos = 1;
  expected.eos = 2;
  expected.unknown = 0;
  expected.add_bos = true;
  expected.add_space_prefix = true;
  EXPECT_EQ(*data, expected);
}

TEST(ReadTokenizerDataTest, BytePairDefaults) {
  const auto data = Read(Vocabulary("gpt2"));
  ASSERT_TRUE(data.ok()) << data.status();
  TokenizerData expected;
  expected.model = "gpt2";
  expected.pre = "default";
  expected.tokens = {"<unk>", "<s>", "</s>", "a\xff"};
  EXPECT_EQ(*data, expected);
}

TEST(ReadTokenizerDataTest, Llama3VocabulariesAddBosUnlessTheFileSaysOtherwise) {
  GgufWriter writer = Vocabulary("gpt2");
  writer.String("tokenizer.ggml.pre", "llama-bpe");
  EXPECT_FALSE(Read(writer)->add_bos) << "the file has no BOS id";
  writer.Uint32("tokenizer.ggml.bos_token_id", 1);
  EXPECT_TRUE(Read(writer)->add_bos);
  writer.Bool("tokenizer.ggml.add_bos_token", false);
  EXPECT_FALSE(Read(writer)->add_bos);
}

TEST(ReadTokenizerDataTest, ReadsEveryField) {
  GgufWriter writer = Vocabulary("gpt2");
  writer.String("tokenizer.ggml.pre", "qwen2");
  writer.Floats("tokenizer.ggml.scores", {0, -1, -2, -3});
  writer.Int32s("tokenizer.ggml.token_type", {2, 3, 4, 1});
  writer.Strings("tokenizer.ggml.merges", {"a b", "ab c"});
  writer.Uint32("tokenizer.ggml.bos_token_id", 3);
  writer.Uint32("tokenizer.ggml.eos_token_id", 4294967295U);
  writer.Uint32("tokenizer.ggml.eot_token_id", 1);
  writer.Bool("tokenizer.ggml.add_eos_token", true);
  writer.Bool("tokenizer.ggml.add_space_prefix", true);
  const auto data = Read(writer);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(data->pre, "qwen2");
  EXPECT_THAT(data->scores, ElementsAre(0, -1, -2, -3));
  EXPECT_THAT(data->token_types, ElementsAre(TokenType::kUnknown, TokenType::kControl,
                                             TokenType::kUserDefined, TokenType::kNormal));
  EXPECT_THAT(data->merges, ElementsAre("a b", "ab c"));
  EXPECT_THAT(data->bos, Optional(3U));
  EXPECT_EQ(data->eos, std::nullopt);
  EXPECT_THAT(data->eot, Optional(1U));
  EXPECT_TRUE(data->add_eos);
  EXPECT_TRUE(data->add_space_prefix);
}

TEST(ReadTokenizerDataTest, RefusesAbsentAndInvalidValues) {
  const auto expect = [](const GgufWriter& writer, const std::string& message) {
    const absl::Status status = Read(writer).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  };
  expect(GgufWriter(), "tokenizer.ggml.model is absent");
  GgufWriter no_tokens;
  no_tokens.String("tokenizer.ggml.model", "llama");
  expect(no_tokens, "tokenizer.ggml.tokens is absent");
  GgufWriter type = Vocabulary("llama");
  type.Int32s("tokenizer.ggml.token_type", {1, 7, 1, 1});
  expect(type, "got 7 for token 1, expected 1 to 6");
  GgufWriter id = Vocabulary("llama");
  id.String("tokenizer.ggml.bos_token_id", "1");
  expect(id, "tokenizer.ggml.bos_token_id");
}

TEST(ReadTokenizerDataTest, ReadsVocabulariesOfOtherArchitectures) {
  const char* env = std::getenv("RECYCLING_SHARED");
  const char* source = std::getenv("RECYCLING_SOURCE_DIR");
  const std::filesystem::path shared =
      env != nullptr ? env : std::filesystem::path(source != nullptr ? source : ".") / "../shared";
  if (!std::filesystem::exists(shared / "tokenizers")) {
    GTEST_SKIP() << "no reference files: " << shared << " does not exist";
  }
  const auto size = [&](const char* name) -> std::size_t {
    const auto file = GgufFile::Open(shared / "tokenizers" / name);
    if (!file.ok()) return 0;
    const auto data = ReadTokenizerData(**file);
    return data.ok() ? data->tokens.size() : 0;
  };
  EXPECT_EQ(size("deepseek-llm.gguf"), 102400u);
  EXPECT_EQ(size("gpt-2.gguf"), 50257u);
  EXPECT_EQ(size("llama-spm.gguf"), 32000u);
  EXPECT_EQ(size("starcoder.gguf"), 49152u);
}

}  // namespace
}  // namespace recycling::verifier
