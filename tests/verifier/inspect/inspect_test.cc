#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include "tests/doubles/tiny_model.h"
#include "verifier/inspect/commands.h"

namespace recycling::verifier {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class InspectTest : public testing::Test {
 protected:
  InspectTest() : bytes_(doubles::TinyModelBytes({.context_length = 100})) {
    auto model = Model::FromFile(Parse(bytes_), "tiny");
    EXPECT_TRUE(model.ok()) << model.status();
    model_ = *std::move(model);
    transformer_ = *Transformer::Create(model_, {});
    tokenizer_ = *Tokenizer::Create(model_->tokenizer_data());
  }

  static std::unique_ptr<const GgufFile> Parse(const std::string& bytes) {
    return *GgufFile::Parse(std::as_bytes(std::span<const char>(bytes)));
  }

  // The logits after each of `ids`, computed one token at a time.
  std::vector<float> PlainLogits(const std::vector<TokenId>& ids) {
    const auto cache = *KvCache::Create(model_->config(), KvType::kF32, 100, 1);
    const auto kv = *cache->Open();
    const std::vector<std::int32_t> parents = {-1};
    const std::vector<int> rows = {0};
    std::vector<float> all;
    for (const TokenId& id : ids) {
      const Segment segment = {
          .kv = kv.get(), .tokens = {&id, 1}, .parents = parents, .logit_rows = rows};
      EXPECT_TRUE(transformer_->Forward({&segment, 1}, nullptr).ok());
      const auto logits = transformer_->logits(0);
      all.insert(all.end(), logits.begin(), logits.end());
      EXPECT_TRUE(transformer_->Commit(0, rows).ok());
    }
    return all;
  }

  std::string bytes_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<const Tokenizer> tokenizer_;
};

TEST_F(InspectTest, InfoShowsMetadataTensorsAndMemory) {
  std::ostringstream out;
  PrintInfo(*Parse(bytes_), "tiny.gguf", {.context_length = 100, .max_sequences = 3}, out);
  EXPECT_THAT(
      out.str(),
      AllOf(HasSubstr("llama.embedding_length = 32\n"), HasSubstr("blk.0.ffn_up.weight"),
            HasSubstr("[32, 48]"), HasSubstr("architecture    llama\n"),
            HasSubstr("tokenizer       llama, 320 tokens\n"), HasSubstr("chat template   no\n"),
            // Two layers of 48 x 32 weights.
            HasSubstr("blk.*.ffn_up.weight              F32 0.00 M\n"),
            HasSubstr("256 bytes a token, 0.10 MB for 3 sequences of 100 tokens"),
            HasSubstr("can be served: yes")));
}

TEST_F(InspectTest, InfoSaysWhyAFileCannotBeServed) {
  doubles::GgufWriter writer;
  writer.String("general.architecture", "gpt2");
  writer.String("tokenizer.ggml.model", "gpt2");
  writer.Strings("tokenizer.ggml.tokens", {"a"});
  writer.String("tokenizer.ggml.pre", "unheard-of");
  writer.Tensor("blk.0.x.weight", {32}, 39, std::string(17, 'x'));
  writer.Tensor("blk.1.x.weight", {32}, 39, std::string(17, 'x'));
  const std::string other = writer.Finish();
  std::ostringstream out;
  PrintInfo(*Parse(other), "other.gguf", {}, out);
  EXPECT_THAT(out.str(),
              AllOf(HasSubstr("can be served: no\n  architecture \"gpt2\" is not supported"),
                    HasSubstr("pre-tokenizer \"unheard-of\" is not supported"),
                    HasSubstr("--pretokenizer sets another one\n"),
                    HasSubstr("2 tensors have type MXFP4, which is not supported, the first one is "
                              "blk.0.x.weight")));
  std::ostringstream replaced;
  PrintInfo(*Parse(other), "other.gguf", {.pretokenizer = "qwen2"}, replaced);
  EXPECT_THAT(replaced.str(), Not(HasSubstr("unheard-of\" is not supported")));
}

TEST_F(InspectTest, ConvertsLinesToIdsAndBack) {
  const std::string texts = "the man\n\n tea\n";
  std::istringstream in(texts);
  std::ostringstream ids;
  ASSERT_TRUE(Tokenize(*tokenizer_, {.add_special = false}, in, ids).ok());
  const std::string written = ids.str();
  EXPECT_EQ(std::count(written.begin(), written.end(), '\n'), 3);
  std::istringstream back(written);
  std::ostringstream out;
  ASSERT_TRUE(Detokenize(*tokenizer_, back, out).ok());
  EXPECT_EQ(out.str(), texts);
}

TEST_F(InspectTest, ErrorsGiveTheLineNumber) {
  std::ostringstream out;
  std::istringstream text("fine\n\xff\n");
  const absl::Status encoded = Tokenize(*tokenizer_, {}, text, out);
  EXPECT_THAT(std::string(encoded.message()), HasSubstr("line 2"));
  for (const char* line : {"{", "7", "[1,-1]", "[1.5]", "[\"a\"]", "[4294967296]", "[320]", ""}) {
    std::istringstream in(std::string("[3]\n") + line + "\n");
    const absl::Status status = Detokenize(*tokenizer_, in, out);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 2")) << line;
  }
}

TEST_F(InspectTest, WriteLogitsEqualsPlainDecoding) {
  std::vector<TokenId> ids;
  for (TokenId i = 0; i < 90; ++i) ids.push_back(i * 7 % 320);
  std::ostringstream out;
  const auto followed = WriteLogits(*transformer_, KvType::kF32, ids, 3, out);
  ASSERT_TRUE(followed.ok()) << followed.status();
  const std::vector<float> expected = PlainLogits(ids);
  ASSERT_EQ(out.str().size(), expected.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(out.str().data(), expected.data(), out.str().size()), 0);
  for (const TokenId next : *followed) {
    const std::vector<float> logits = PlainLogits(ids);
    const auto last = logits.end() - 320;
    EXPECT_EQ(next, static_cast<TokenId>(std::max_element(last, logits.end()) - last));
    ids.push_back(next);
  }
}

TEST_F(InspectTest, WriteLogitsRefusesTooManyTokens) {
  std::ostringstream out;
  const std::vector<TokenId> ids(99, 1);
  EXPECT_TRUE(WriteLogits(*transformer_, KvType::kF32, ids, 2, out).ok());
  EXPECT_FALSE(WriteLogits(*transformer_, KvType::kF32, ids, 3, out).ok());
  EXPECT_FALSE(WriteLogits(*transformer_, KvType::kF32, {}, 1, out).ok());
}

// The sum of -log softmax over `scored`.
double NatsOf(const std::vector<float>& logits, const std::vector<TokenId>& scored) {
  double nats = 0;
  for (std::size_t i = 0; i < scored.size(); ++i) {
    double sum = 0;
    for (std::size_t v = 0; v < 320; ++v) sum += std::exp(double{logits[i * 320 + v]});
    nats += std::log(sum) - logits[i * 320 + scored[i]];
  }
  return nats;
}

TEST_F(InspectTest, PerplexityWithBosScoresEveryToken) {
  const std::vector<TokenId> ids = {5, 9, 300, 41, 8};
  const auto result = MeasurePerplexity(*transformer_, KvType::kF32, ids, 1, 3, nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->tokens, 5u);
  EXPECT_EQ(result->windows, 2u);
  EXPECT_NEAR(result->nats,
              NatsOf(PlainLogits({1, 5, 9}), {5, 9, 300}) + NatsOf(PlainLogits({1, 41}), {41, 8}),
              1e-9);
}

TEST_F(InspectTest, PerplexityWithoutBosScoresAllButTheFirst) {
  const std::vector<TokenId> ids = {5, 9, 300, 41};
  const auto result = MeasurePerplexity(*transformer_, KvType::kF32, ids, std::nullopt, 3, nullptr);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->tokens, 2u);
  EXPECT_NEAR(result->nats, NatsOf(PlainLogits({5, 9}), {9, 300}), 1e-9);
  for (const std::uint32_t context : {0U, 1U, 101U}) {
    EXPECT_FALSE(
        MeasurePerplexity(*transformer_, KvType::kF32, ids, std::nullopt, context, nullptr).ok());
  }
  EXPECT_FALSE(MeasurePerplexity(*transformer_, KvType::kF32, {}, 1, 3, nullptr).ok());
}

}  // namespace
}  // namespace recycling::verifier
