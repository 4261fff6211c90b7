#include "tests/bench/model_grower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "tests/doubles/tiny_model.h"
#include "verifier/forward/transformer.h"
#include "verifier/kernels/dequantize.h"

namespace recycling::bench {
namespace {

using verifier::GgufFile;
using verifier::TensorType;

std::span<const std::byte> Bytes(const std::string& text) {
  return std::as_bytes(std::span<const char>(text));
}

// `bytes` must outlive the result.
std::unique_ptr<const GgufFile> Parse(const std::string& bytes) {
  auto file = GgufFile::Parse(Bytes(bytes));
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

std::string Grow(const std::string& small, const Growth& growth) {
  std::ostringstream out;
  const absl::Status status = GrowModel(*Parse(small), growth, out);
  EXPECT_TRUE(status.ok()) << status;
  return out.str();
}

// The logits of every position of a fixed prompt.
std::vector<float> Logits(const std::string& bytes) {
  const std::vector<TokenId> ids = {1, 270, 280, 3, 290, 301, 262, 17, 270, 311, 5, 266};
  const auto model = *verifier::Model::FromFile(Parse(bytes), "grown");
  // Not the fast arithmetic, because it would round the activations of the two models differently.
  const auto transformer = *verifier::Transformer::Create(
      model, {.threads = 2, .arithmetic = verifier::Arithmetic::kExact});
  const auto cache = *verifier::KvCache::Create(model->config(), verifier::KvType::kF32, 64, 1);
  const auto sequence = *cache->Open();
  std::vector<std::int32_t> parents(ids.size());
  std::iota(parents.begin(), parents.end(), -1);
  std::vector<int> rows(ids.size());
  std::iota(rows.begin(), rows.end(), 0);
  const verifier::Segment segment = {
      .kv = sequence.get(), .tokens = ids, .parents = parents, .logit_rows = rows};
  EXPECT_TRUE(transformer->Forward({&segment, 1}, nullptr).ok());
  std::vector<float> logits;
  for (const int row : rows) {
    const auto of_row = transformer->logits(row);
    logits.insert(logits.end(), of_row.begin(), of_row.end());
  }
  return logits;
}

// The largest difference, divided by the largest logit.
float LargestDifference(const std::vector<float>& got, const std::vector<float>& expected) {
  EXPECT_EQ(got.size(), expected.size());
  float scale = 0;
  float difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    scale = std::max(scale, std::fabs(expected[i]));
    const float one = std::fabs(got[i] - expected[i]);
    if (!(one <= difference)) difference = one;  // also true for a NaN
  }
  return difference / scale;
}

doubles::TinyModelSpec SmallSpec() {
  doubles::TinyModelSpec spec;
  spec.feed_forward = 64;  // a multiple of 32, the values of a block
  return spec;
}

constexpr Growth kGrowth = {
    .layers = 5, .heads = 12, .kv_heads = 6, .feed_forward = 160, .type = TensorType::kF32};

TEST(ModelGrowerTest, AGrownModelHasTheLogitsOfTheSmallOne) {
  for (const bool tied : {false, true}) {
    for (const bool rope_factors : {false, true}) {
      SCOPED_TRACE(testing::Message() << "tied " << tied << ", rope factors " << rope_factors);
      doubles::TinyModelSpec spec = SmallSpec();
      spec.tied = tied;
      spec.rope_factors = rope_factors;
      const std::string small = doubles::TinyModelBytes(spec);
      const std::string grown = Grow(small, kGrowth);
      EXPECT_GT(grown.size(), 4 * small.size());
      EXPECT_LE(LargestDifference(Logits(grown), Logits(small)), 1e-5F);
    }
  }
}

// Checks growing and rounding separately. With the same rounding, the small and the grown model
// have equal logits. Rounding changes the logits by at most the error that is normal for the type,
// and by at least a hundredth of it.
TEST(ModelGrowerTest, AQuantizedGrownModelHasTheLogitsOfTheQuantizedSmallOne) {
  const std::string small = doubles::TinyModelBytes(SmallSpec());
  for (const auto& [type, rounding] :
       {std::pair{TensorType::kF16, 2e-3F}, std::pair{TensorType::kQ8_0, 0.1F},
        std::pair{TensorType::kQ4_0, 1.0F}}) {
    SCOPED_TRACE(verifier::InfoOf(type).name);
    Growth growth = kGrowth;
    growth.type = type;
    const std::vector<float> quantized = Logits(Grow(small, {.type = type}));
    EXPECT_LE(LargestDifference(Logits(Grow(small, growth)), quantized), 1e-5F);
    EXPECT_LE(LargestDifference(quantized, Logits(small)), rounding);
    EXPECT_GT(LargestDifference(quantized, Logits(small)), rounding / 100);
  }
}

TEST(ModelGrowerTest, AMixtureOfEqualExpertsHasTheLogitsOfTheSmallModel) {
  const std::string small = doubles::TinyModelBytes(SmallSpec());
  Growth growth = kGrowth;
  growth.experts = 5;
  growth.experts_used = 2;
  EXPECT_LE(LargestDifference(Logits(Grow(small, growth)), Logits(small)), 1e-5F);
}

TEST(ModelGrowerTest, KeepsTheTokenizerAndStatesTheNewSizes) {
  const std::string small = doubles::TinyModelBytes(SmallSpec());
  const std::string grown = Grow(small, kGrowth);
  const auto before = Parse(small);
  const auto after = Parse(grown);
  EXPECT_EQ(*before->Strings("tokenizer.ggml.tokens"), *after->Strings("tokenizer.ggml.tokens"));
  EXPECT_EQ(*before->Floats("tokenizer.ggml.scores"), *after->Floats("tokenizer.ggml.scores"));
  EXPECT_EQ(*after->Uint32("llama.block_count"), 5U);
  EXPECT_EQ(*after->Uint32("llama.embedding_length"), 96U);
  EXPECT_EQ(*after->Uint32("llama.attention.head_count"), 12U);
  EXPECT_EQ(*after->Uint32("llama.attention.head_count_kv"), 6U);
  EXPECT_EQ(*after->Uint32("llama.feed_forward_length"), 160U);
}

TEST(ModelGrowerTest, EqualSeedsGiveEqualBytes) {
  const std::string small = doubles::TinyModelBytes(SmallSpec());
  Growth other = kGrowth;
  other.seed = 2;
  EXPECT_EQ(Grow(small, kGrowth), Grow(small, kGrowth));
  EXPECT_NE(Grow(small, kGrowth), Grow(small, other));
}

// The weights of an added matrix have the expected variance, and nearly all of them differ.
TEST(ModelGrowerTest, AddedWeightsAreRandom) {
  const std::string grown = Grow(doubles::TinyModelBytes(SmallSpec()), kGrowth);
  const auto file = Parse(grown);
  const auto* tensor = file->FindTensor("blk.4.ffn_up.weight");
  ASSERT_NE(tensor, nullptr);
  std::vector<float> weights(96 * 160);
  verifier::DequantizeRow(TensorType::kF32, tensor->bytes.data(), weights.size(), weights.data());
  double squares = 0;
  for (const float w : weights) squares += w * w;
  EXPECT_NEAR(squares / 160, 1, 0.05);
  std::sort(weights.begin(), weights.end());
  EXPECT_LT(weights.end() - std::unique(weights.begin(), weights.end()), 10);
}

TEST(ModelGrowerTest, RefusesSizesThatWouldChangeTheFunction) {
  const std::string bytes = doubles::TinyModelBytes(SmallSpec());
  const auto small = Parse(bytes);
  const auto error = [&](Growth growth) {
    std::ostringstream out;
    const absl::Status status = GrowModel(*small, growth, out);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(out.str(), "");
    return std::string(status.message());
  };
  EXPECT_EQ(error({.layers = 1}), "layers: got 1, expected at least 2");
  EXPECT_EQ(error({.heads = 8}), "heads: got 8 for 2 key-value heads, expected 4");
  EXPECT_EQ(error({.heads = 2, .kv_heads = 1}), "kv_heads: got 1, expected at least 2");
  EXPECT_EQ(error({.experts = 4}), "experts_used: got 0, expected 1 to 4");
  EXPECT_EQ(error({.experts = 4, .experts_used = 5}), "experts_used: got 5, expected 1 to 4");
  EXPECT_EQ(error({.feed_forward = 32}), "feed_forward: got 32, expected at least 64");
  EXPECT_EQ(error({.feed_forward = 72}), "type: got rows of 72 weights, expected a multiple of 32");
  EXPECT_EQ(error({.type = TensorType::kBF16}), "type: got BF16, expected F32, F16, Q8_0 or Q4_0");
}

std::vector<float> RoundTrip(TensorType type, const std::vector<float>& values) {
  std::string bytes;
  EncodeRow(type, values, bytes);
  std::vector<float> back(values.size());
  verifier::DequantizeRow(type, Bytes(bytes).data(), values.size(), back.data());
  return back;
}

TEST(ModelGrowerTest, EncodesEachValueAsTheNearestNumberOfItsBlock) {
  std::vector<float> values(64);
  for (std::size_t i = 0; i < 32; ++i) values[i] = static_cast<float>(i) - 20.5F;
  const std::vector<float> q8 = RoundTrip(TensorType::kQ8_0, values);
  const std::vector<float> q4 = RoundTrip(TensorType::kQ4_0, values);
  for (std::size_t i = 0; i < 32; ++i) {
    EXPECT_NEAR(q8[i], values[i], 20.5F / 127 / 2 * 1.01F);
    EXPECT_NEAR(q4[i], values[i], 20.5F / 7 / 2 * 1.01F);
  }
  for (std::size_t i = 32; i < 64; ++i) {
    EXPECT_EQ(q8[i], 0);
    EXPECT_EQ(q4[i], 0);
  }
}

}  // namespace
}  // namespace recycling::bench
