#include "verifier/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "tests/doubles/tiny_model.h"

namespace recycling::verifier {
namespace {

using doubles::GgufWriter;
using doubles::TinyModelSpec;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// The file of a tiny model. A test overwrites its values, or renames a key to make it absent.
class EditedModel {
 public:
  explicit EditedModel(const TinyModelSpec& spec = {}) : bytes_(doubles::TinyModelBytes(spec)) {}

  // Replaces the first GGUF string `from` by `to`, which has the same length.
  EditedModel& Rename(const std::string& from, const std::string& to) {
    const std::size_t at = bytes_.find(doubles::GgufText(from));
    EXPECT_NE(at, std::string::npos) << from;
    EXPECT_EQ(from.size(), to.size());
    bytes_.replace(at, doubles::GgufText(to).size(), doubles::GgufText(to));
    return *this;
  }
  // Overwrites the 32-bit value of `key`.
  template <typename T>
  EditedModel& Set(const std::string& key, T value) {
    const std::size_t at = bytes_.find(doubles::GgufText(key));
    EXPECT_NE(at, std::string::npos) << key;
    bytes_.replace(at + doubles::GgufText(key).size() + 4, 4, doubles::GgufBytes(value));
    return *this;
  }

  absl::Status Load() const {
    auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(bytes_)));
    if (!file.ok()) return file.status();
    return Model::FromFile(*std::move(file), "tiny.gguf").status();
  }
  void ExpectRefused(const std::string& message,
                     absl::StatusCode code = absl::StatusCode::kDataLoss) const {
    const absl::Status status = Load();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }

 private:
  std::string bytes_;
};

absl::StatusOr<std::shared_ptr<const Model>> LoadWriter(const GgufWriter& writer) {
  static auto& kept = *new std::vector<std::unique_ptr<std::string>>();
  kept.push_back(std::make_unique<std::string>(writer.Finish()));
  auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(*kept.back())));
  if (!file.ok()) return file.status();
  return Model::FromFile(*std::move(file), "tiny.gguf");
}

TEST(ModelTest, ReadsConfigurationAndIdentity) {
  const auto model = LoadWriter(doubles::TinyModelWriter({.heads_per_group = 3, .tied = true}));
  ASSERT_TRUE(model.ok()) << model.status();
  const ModelConfig& config = (*model)->config();
  EXPECT_EQ(config.vocab_size, 320u);
  EXPECT_EQ(config.hidden_size, 32u);
  EXPECT_EQ(config.heads, 6u);
  EXPECT_EQ(config.kv_heads, 2u);
  EXPECT_EQ(config.heads_per_group(), 3u);
  EXPECT_EQ(config.rope_dimensions, 8u);
  EXPECT_EQ((*model)->weights().output.data, (*model)->weights().embedding.data);
  EXPECT_THAT((*model)->identity().model_id,
              StartsWith("tiny.gguf-" + (*model)->file_digest().substr(0, 16)));
  EXPECT_TRUE(ValidateModelIdentity((*model)->identity()).ok());
  EXPECT_EQ((*model)->tokenizer_data().tokens.size(), 320u);
  EXPECT_THAT((*model)->Description(), HasSubstr("parameters (F32"));
}

TEST(ModelTest, AbsentKeysHaveTheirDefaults) {
  // The head sizes of 8 equal their default, hidden_size / heads.
  const TinyModelSpec spec = {.heads_per_group = 2};
  EditedModel edited(spec);
  for (const char* key :
       {"llama.attention.key_length", "llama.attention.value_length", "llama.rope.dimension_count",
        "llama.rope.freq_base", "llama.attention.layer_norm_rms_epsilon"}) {
    std::string other = key;
    other[0] = 'x';
    edited.Rename(key, other);
  }
  EXPECT_TRUE(edited.Load().ok()) << edited.Load();
  EditedModel ungrouped({.heads_per_group = 1, .key_length = 16, .value_length = 16});
  EXPECT_TRUE(ungrouped.Rename("llama.attention.head_count_kv", "xlama.attention.head_count_kv")
                  .Load()
                  .ok());
}

TEST(ModelTest, ErrorsNameTheUnsupportedFeature) {
  const auto unimplemented = absl::StatusCode::kUnimplemented;
  EditedModel().Rename("llama", "bloom").ExpectRefused("\"bloom\"", unimplemented);
  GgufWriter scaling = doubles::TinyModelWriter({});
  scaling.String("llama.rope.scaling.type", "longrope");
  EXPECT_THAT(std::string(LoadWriter(scaling).status().message()), HasSubstr("\"longrope\""));
  EXPECT_EQ(LoadWriter(scaling).status().code(), unimplemented);
  GgufWriter experts = doubles::TinyModelWriter({.architecture = "granite"});
  experts.Uint32("granite.expert_count", 8);
  EXPECT_EQ(LoadWriter(experts).status(),
            absl::UnimplementedError("granite.expert_count: got 8, expected 0, because "
                                     "architecture \"granite\" has no experts"));
  GgufWriter bias = doubles::TinyModelWriter({});
  bias.Tensor("blk.0.attn_q.bias", {32}, 0, std::string(128, '\0'));
  EXPECT_THAT(std::string(LoadWriter(bias).status().message()), HasSubstr("blk.0.attn_q.bias"));
  EXPECT_EQ(LoadWriter(bias).status().code(), unimplemented);
  GgufWriter type = doubles::TinyModelWriter({.tied = true});
  type.Tensor("output.weight", {32, 320}, 9, std::string(320 * 36, '\0'));
  EXPECT_THAT(std::string(LoadWriter(type).status().message()), HasSubstr("type Q8_1"));
  EXPECT_EQ(LoadWriter(type).status().code(), unimplemented);
}

TEST(ModelTest, AMixtureNeedsItsCountsAndItsTensors) {
  const auto edited = [] { return EditedModel(doubles::TinyModelOf("qwen3moe")); };
  ASSERT_TRUE(edited().Load().ok()) << edited().Load();
  edited()
      .Set("qwen3moe.expert_used_count", 7U)
      .ExpectRefused("expert_used_count: got 7, expected at most 6, which is expert_count");
  edited()
      .Set("qwen3moe.expert_used_count", 0U)
      .ExpectRefused("expert_used_count: got 0, expected 1 to 16777216");
  edited()
      .Set("qwen3moe.expert_count", 0U)
      .ExpectRefused("expert_count: got 0, expected 1 to 16777216");
  edited()
      .Set("qwen3moe.expert_count", 1025U)
      .ExpectRefused("qwen3moe.expert_count: got 1025, expected at most 1024");
  edited()
      .Rename("qwen3moe.expert_count", "qwen3moe.expert_xxxxx")
      .ExpectRefused("qwen3moe.expert_count is absent");
  edited()
      .Set("qwen3moe.expert_count", 8U)
      .ExpectRefused("tensor blk.0.ffn_gate_inp.weight: got shape [32, 6], expected [32, 8]");
  edited()
      .Set("qwen3moe.expert_feed_forward_length", 64U)
      .ExpectRefused(
          "tensor blk.0.ffn_gate_exps.weight: got shape [32, 48, 6], expected [32, 64, 6]");
}

TEST(ModelTest, ReadsTheScalesOfPositions) {
  GgufWriter linear = doubles::TinyModelWriter({});
  linear.Float("llama.rope.scale_linear", 2.0F);
  auto model = LoadWriter(linear);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->config().rope_scaling.kind, RopeScaling::Kind::kLinear);
  EXPECT_EQ((*model)->config().rope_scaling.factor, 2);
  EXPECT_EQ((*model)->config().rope_scaling.original_context, 256u);
  GgufWriter none = doubles::TinyModelWriter({});
  none.String("llama.rope.scaling.type", "none");
  none.Float("llama.rope.scaling.factor", 2.0F);
  model = LoadWriter(none);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->config().rope_scaling.factor, 1);
  GgufWriter yarn = doubles::TinyModelWriter({});
  yarn.String("llama.rope.scaling.type", "yarn");
  yarn.Float("llama.rope.scaling.factor", 8.0F);
  yarn.Float("llama.rope.scaling.attn_factor", 3.0F);
  yarn.Float("llama.rope.scaling.yarn_log_multiplier", 1.0F);
  yarn.Uint32("llama.rope.scaling.original_context_length", 64);
  model = LoadWriter(yarn);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->config().rope_scaling.kind, RopeScaling::Kind::kYarn);
  EXPECT_EQ((*model)->config().rope_scaling.factor, 8);
  EXPECT_EQ((*model)->config().rope_scaling.original_context, 64u);
  EXPECT_EQ((*model)->config().rope_scaling.magnitude, 3) << "the multiplier of 1 cancels the log";
}

TEST(ModelTest, RefusesImpossibleScales) {
  struct Case {
    const char* key;
    float value;
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const auto& [key, value] : {Case{"rope.scaling.factor", 0},
                                   {"rope.scaling.factor", -1},
                                   {"rope.scaling.factor", kNan},
                                   {"rope.scale_linear", kInfinity},
                                   {"rope.scaling.attn_factor", 0},
                                   {"rope.scaling.yarn_beta_fast", 1},
                                   {"rope.scaling.yarn_beta_slow", 0},
                                   {"rope.scaling.yarn_log_multiplier", -1},
                                   {"embedding_scale", kNan},
                                   {"residual_scale", 0},
                                   {"attention.scale", 1e-42F},
                                   {"rope.scaling.factor", 1e-30F},
                                   {"rope.scaling.yarn_log_multiplier", 1e30F},
                                   {"logit_scale", kInfinity}}) {
    GgufWriter writer = doubles::TinyModelWriter({.architecture = "granite"});
    writer.Float(std::string("granite.") + key, value);
    const absl::Status status = LoadWriter(writer).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << key << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(key));
  }
  GgufWriter temperature = doubles::TinyModelWriter({.architecture = "mistral3"});
  temperature.Float("mistral3.attention.temperature_scale", kNan);
  EXPECT_EQ(LoadWriter(temperature).status().code(), absl::StatusCode::kDataLoss);
  GgufWriter many_heads = doubles::TinyModelWriter(
      {.architecture = "gemma3", .layers = 62, .kv_heads = 8, .heads_per_group = 8});
  const std::string bytes = many_heads.Finish();
  const auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(bytes)));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto config = ReadModelConfig(**file);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FLOAT_EQ(config->attention_scale, 1 / std::sqrt(0.5F)) << "32 numbers for 64 heads";
  GgufWriter original = doubles::TinyModelWriter({});
  original.Uint32("llama.rope.scaling.original_context_length", 0);
  EXPECT_EQ(LoadWriter(original).status().code(), absl::StatusCode::kDataLoss);
}

TEST(ModelTest, RefusesFrequencyFactorsThatAreNotPositive) {
  for (const float factor : {0.0F, -1.0F, std::numeric_limits<float>::quiet_NaN()}) {
    GgufWriter writer = doubles::TinyModelWriter({});
    std::string data;
    for (const float one : {1.0F, 2.0F, factor, 4.0F}) data += doubles::GgufBytes(one);
    writer.Tensor("rope_freqs.weight", {4}, 0, data);
    const absl::Status status = LoadWriter(writer).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("rope_freqs.weight"));
  }
}

TEST(ModelTest, ReadsWindows) {
  const auto windows_of = [](const GgufWriter& writer) {
    // The tensors are those of llama, so only the configuration is read.
    const std::string bytes = writer.Finish();
    const auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(bytes)));
    EXPECT_TRUE(file.ok()) << file.status();
    const auto config = ReadModelConfig(**file);
    EXPECT_TRUE(config.ok()) << config.status();
    std::vector<std::uint32_t> windows;
    for (std::size_t layer = 0; layer < 7; ++layer) windows.push_back(config->WindowOf(layer));
    return windows;
  };
  GgufWriter gemma = doubles::TinyModelWriter({.architecture = "gemma3"});
  EXPECT_THAT(windows_of(gemma), Each(0));
  gemma.Uint32("gemma3.attention.sliding_window", 16);
  EXPECT_THAT(windows_of(gemma), ElementsAre(16, 16, 16, 16, 16, 0, 16));
  gemma.Uint32("gemma3.attention.sliding_window_pattern", 2);
  EXPECT_THAT(windows_of(gemma), ElementsAre(16, 0, 16, 0, 16, 0, 16));
  // The array says the same for each of the 7 layers.
  const auto with_array = [&](const std::string& windows) {
    GgufWriter writer = doubles::TinyModelWriter({.architecture = "olmo2", .layers = 7});
    writer.Uint32("olmo2.attention.sliding_window", 8);
    const std::uint32_t boolean = 7;
    writer.Raw("olmo2.attention.sliding_window_pattern", 9,
               doubles::GgufBytes(boolean) +
                   doubles::GgufBytes(static_cast<std::uint64_t>(windows.size())) + windows);
    return writer;
  };
  using namespace std::string_literals;
  EXPECT_THAT(windows_of(with_array("\1\1\0\1\1\0\1"s)), ElementsAre(8, 8, 0, 8, 8, 0, 8));
  EXPECT_THAT(windows_of(with_array("\1\1\1\1\1\1\1"s)), Each(8));
  EXPECT_THAT(windows_of(with_array("\0\0\0\0\0\0\0"s)), Each(0));
  const auto error_of = [](const GgufWriter& writer) {
    return std::string(LoadWriter(writer).status().message());
  };
  EXPECT_THAT(
      error_of(with_array("\1\1\0\1\0\1\1"s)),
      HasSubstr("layer 4 has no window, expected the same windows in each group of 3 layers"));
  EXPECT_THAT(error_of(with_array("\1\1"s)), HasSubstr("expected 7 booleans"));
  GgufWriter olmo = doubles::TinyModelWriter({.architecture = "olmo2"});
  olmo.Uint32("olmo2.attention.sliding_window", 8);
  EXPECT_THAT(windows_of(olmo), ElementsAre(8, 8, 8, 0, 8, 8, 8));
  GgufWriter llama = doubles::TinyModelWriter({});
  llama.Uint32("llama.attention.sliding_window", 16);
  EXPECT_THAT(windows_of(llama), Each(0)) << "llama has no window and ignores the key";
}

TEST(ModelTest, ExaoneRotatesAllLayersUnlessItHasWindows) {
  const auto rotations_of = [](const GgufWriter& writer) {
    const std::string bytes = writer.Finish();
    const auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(bytes)));
    EXPECT_TRUE(file.ok()) << file.status();
    const auto config = ReadModelConfig(**file);
    EXPECT_TRUE(config.ok()) << config.status();
    std::vector<bool> rotations;
    for (std::size_t layer = 0; layer < 5; ++layer) rotations.push_back(config->Rotates(layer));
    return rotations;
  };
  GgufWriter exaone = doubles::TinyModelWriter({.architecture = "exaone4"});
  EXPECT_THAT(rotations_of(exaone), Each(true));
  exaone.Uint32("exaone4.attention.sliding_window", 8);
  EXPECT_THAT(rotations_of(exaone), ElementsAre(true, true, true, false, true));
}

TEST(ModelTest, RefusesImpossibleWindowsAndSoftCaps) {
  for (const char* key : {"attention.sliding_window", "attention.sliding_window_pattern"}) {
    GgufWriter writer = doubles::TinyModelWriter({.architecture = "gemma3"});
    if (std::string_view(key) != "attention.sliding_window") {
      writer.Uint32("gemma3.attention.sliding_window", 16);
    }
    writer.Uint32(std::string("gemma3.") + key, 0);
    const absl::Status status = LoadWriter(writer).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(key) + ": got 0"));
  }
  GgufWriter cap = doubles::TinyModelWriter({});
  cap.Float("llama.final_logit_softcapping", 30);
  EXPECT_EQ(LoadWriter(cap).status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(LoadWriter(cap).status().message()),
              HasSubstr("llama.final_logit_softcapping: got 30"));
}

TEST(ModelTest, AcceptsUnknownKeysAndNoScaling) {
  GgufWriter writer = doubles::TinyModelWriter({});
  writer.String("llama.rope.scaling.type", "none");
  writer.Uint32("llama.expert_count", 0);
  writer.Uint32("llama.something.new", 5);
  EXPECT_TRUE(LoadWriter(writer).ok()) << LoadWriter(writer).status();
}

TEST(ModelTest, RefusesAbsentAndImpossibleValues) {
  EditedModel().Rename("general.architecture", "xeneral.architecture").ExpectRefused("absent");
  for (const char* key : {"llama.context_length", "llama.embedding_length", "llama.block_count",
                          "llama.feed_forward_length", "llama.attention.head_count"}) {
    std::string other = key;
    other[0] = 'x';
    EditedModel().Rename(key, other).ExpectRefused(std::string(key) + " is absent");
    EditedModel().Set(key, 0U).ExpectRefused(std::string(key) + ": got 0");
    EditedModel().Set(key, ~0U).ExpectRefused("expected 1 to 16777216");
  }
  EditedModel().Set("llama.attention.head_count_kv", 3U).ExpectRefused("a divisor of 4 heads");
  EditedModel().Set("llama.rope.dimension_count", 7U).ExpectRefused("an even number");
  EditedModel().Set("llama.rope.dimension_count", 10U).ExpectRefused("at most 8");
  EditedModel().Set("llama.rope.freq_base", 0.0F).ExpectRefused("llama.rope.freq_base");
  EditedModel()
      .Set("llama.attention.layer_norm_rms_epsilon", std::numeric_limits<float>::quiet_NaN())
      .ExpectRefused("layer_norm_rms_epsilon");
}

TEST(ModelTest, RefusesSpecialIdsOutsideTheVocabulary) {
  EditedModel().Set("tokenizer.ggml.eos_token_id", 100000000U).ExpectRefused("100000000");
  EditedModel().Set("tokenizer.ggml.bos_token_id", ~0U - 1).ExpectRefused("4294967294");
}

TEST(ModelTest, TheIdIsPrintableForAnyFileName) {
  const std::string bytes = doubles::TinyModelBytes({});
  auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(bytes)));
  ASSERT_TRUE(file.ok()) << file.status();
  const auto model = Model::FromFile(*std::move(file), "\xff\n\xc3\xa9 x.gguf");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->identity().model_id.substr(0, 12), "____ x.gguf-");
}

TEST(ModelTest, RefusesTensorsThatAreAbsentOrMisshapen) {
  EditedModel()
      .Rename("blk.1.attn_k.weight", "blk.9.attn_k.weight")
      .ExpectRefused("tensor blk.1.attn_k.weight is absent, expected shape [32, 16]");
  EditedModel()
      .Set("llama.feed_forward_length", 64U)
      .ExpectRefused("blk.0.ffn_gate.weight: got shape [32, 48], expected [32, 64]");
  EditedModel().Set("llama.block_count", 3U).ExpectRefused("blk.2.attn_norm.weight is absent");
  EditedModel()
      .Set("llama.block_count", 1U)
      .ExpectRefused("not part of", absl::StatusCode::kUnimplemented);
  EditedModel({.rope_factors = true})
      .Set("llama.rope.dimension_count", 6U)
      .ExpectRefused("rope_freqs.weight: got shape [4], expected [3]");
}

TEST(ModelTest, RefusesAVocabularyOfAnotherSizeThanTheEmbedding) {
  GgufWriter writer = doubles::TinyModelWriter({.vocab_size = 300, .tied = true});
  writer.Tensor("output.weight", {32, 299}, 0, std::string(299 * 32 * 4, '\0'));
  const absl::Status status = LoadWriter(writer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("got shape [32, 299], expected [32, 300]"));
  EditedModel()
      .Rename("tokenizer.ggml.tokens", "xokenizer.ggml.tokens")
      .ExpectRefused("tokenizer.ggml.tokens is absent");
}

}  // namespace
}  // namespace recycling::verifier
