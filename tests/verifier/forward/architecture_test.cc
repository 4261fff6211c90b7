// Defines made-up architectures by their descriptions and loads models of them. Compares the logits
// of the forward pass with logits from the formulas in double precision.
#include "verifier/model/architecture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "tests/doubles/tiny_model.h"
#include "verifier/forward/transformer.h"

namespace recycling::verifier {
namespace {

using doubles::TinyModelSpec;
using ::testing::HasSubstr;
using Vector = std::vector<double>;

constexpr Architecture kMadeUp = {.name = "made-up",
                                  .attention_post_norm = "post_attention_norm",
                                  .feed_forward_norm = "",
                                  .feed_forward_post_norm = "post_ffw_norm",
                                  .query_key_value_bias = true,
                                  .query_key_norm = QueryKeyNorm::kHead,
                                  .scaled_embedding = true,
                                  .has_scales = true,
                                  .has_temperature = true,
                                  .window_pattern = 3,
                                  .score_soft_cap = 0.0F,
                                  .logit_soft_cap = 4.0F,
                                  .window_freq_base = 500,
                                  .rotation = Rotation::kHalves,
                                  .unrotated_layer_every = 2,
                                  .activation = Activation::kGeluTanh,
                                  .mixture = Mixture::kRequired};

// The same with one norm for all heads of a row, with YaRN in layers with a window, and without
// rotation in the others.
constexpr Architecture OtherMadeUp() {
  Architecture description = kMadeUp;
  description.query_key_norm = QueryKeyNorm::kHeads;
  description.window_rope_scaling = true;
  description.rotates_only_windows = true;
  return description;
}

// Layer 0 has a window and rotates, layer 1 has a window and does not rotate, and layer 2 rotates
// with YaRN and sees all positions.
const TinyModelSpec kSpec = {.architecture = "made-up",
                             .layers = 3,
                             .feed_forward_norm = false,
                             .experts = 5,
                             .experts_used = 2};
constexpr double kEpsilon = 1e-5;

// The multipliers in the file.
constexpr float kResidualScale = 0.7F;
constexpr float kAttentionScale = 0.45F;
constexpr float kLogitScale = 2.5F;
constexpr float kTemperatureScale = 0.3F;
constexpr float kScoreSoftCap = 1.5F;
constexpr std::uint32_t kWindow = 20;
// YaRN keeps the frequency of the first pair, takes the mean for the second one, and divides those
// of the other two by the factor.
constexpr float kYarnFactor = 4;
constexpr std::uint32_t kOriginalContext = 64;
constexpr double kKept[] = {1, 0.5, 0, 0};

// More tokens than the original context.
const std::vector<TokenId>& Tokens() {
  static const auto* const tokens = [] {
    auto* some = new std::vector<TokenId>();
    for (TokenId i = 0; i < 70; ++i) some->push_back(i * i * 7 % 320);
    return some;
  }();
  return *tokens;
}

// Adds a vector of different numbers near `middle`.
void AddVector(doubles::GgufWriter& writer, const std::string& name, std::size_t size,
               float middle) {
  std::string data;
  for (std::size_t i = 0; i < size; ++i) {
    data += doubles::GgufBytes(middle + 0.3F * std::sin(static_cast<float>(7 * i + name.size())));
  }
  writer.Tensor(name, {size}, 0, data);
}

// The bytes of a model file of a made-up architecture.
std::string FileBytes(QueryKeyNorm norm) {
  doubles::GgufWriter writer = doubles::TinyModelWriter(kSpec);
  writer.Float("made-up.residual_scale", kResidualScale);
  writer.Float("made-up.attention.scale", kAttentionScale);
  writer.Float("made-up.logit_scale", kLogitScale);
  writer.Float("made-up.attention.temperature_scale", kTemperatureScale);
  writer.Float("made-up.attn_logit_softcapping", kScoreSoftCap);
  writer.Uint32("made-up.attention.sliding_window", kWindow);
  writer.String("made-up.rope.scaling.type", "yarn");
  writer.Float("made-up.rope.scaling.factor", kYarnFactor);
  writer.Uint32("made-up.rope.scaling.original_context_length", kOriginalContext);
  const std::size_t heads = kSpec.kv_heads * kSpec.heads_per_group;
  const bool row = norm == QueryKeyNorm::kHeads;
  for (std::uint32_t layer = 0; layer < kSpec.layers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    AddVector(writer, block + "post_attention_norm.weight", kSpec.hidden_size, 1);
    AddVector(writer, block + "post_ffw_norm.weight", kSpec.hidden_size, 1);
    AddVector(writer, block + "attn_q.bias", heads * kSpec.key_length, 0.2F);
    AddVector(writer, block + "attn_k.bias", kSpec.kv_heads * kSpec.key_length, -0.4F);
    AddVector(writer, block + "attn_v.bias", kSpec.kv_heads * kSpec.value_length, 0.3F);
    AddVector(writer, block + "attn_q_norm.weight", kSpec.key_length * (row ? heads : 1), 1.2F);
    AddVector(writer, block + "attn_k_norm.weight", kSpec.key_length * (row ? kSpec.kv_heads : 1),
              0.9F);
  }
  return writer.Finish();
}

std::unique_ptr<const GgufFile> ParseFile(QueryKeyNorm norm = QueryKeyNorm::kHead) {
  static const std::string head = FileBytes(QueryKeyNorm::kHead);
  static const std::string row = FileBytes(QueryKeyNorm::kHeads);
  const std::string& bytes = norm == QueryKeyNorm::kHeads ? row : head;
  auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(bytes)));
  EXPECT_TRUE(file.ok()) << file.status();
  return *std::move(file);
}

absl::StatusOr<std::shared_ptr<const Model>> Load(const Architecture& description) {
  return Model::FromFile(ParseFile(description.query_key_norm), "made-up", {&description, 1});
}

// Computes the made-up architecture in double precision from the F32 tensors of the file, one
// position at a time.
class Reference {
 public:
  explicit Reference(QueryKeyNorm norm)
      : other_(norm == QueryKeyNorm::kHeads), file_(ParseFile(norm)) {}

  // Logits of the last token.
  Vector Logits(const std::vector<TokenId>& tokens) {
    Vector x;
    keys_.assign(kSpec.layers, {});
    values_.assign(kSpec.layers, {});
    for (std::size_t position = 0; position < tokens.size(); ++position) {
      x = Embedding(tokens[position]);
      for (std::uint32_t layer = 0; layer < kSpec.layers; ++layer) {
        const std::string block = "blk." + std::to_string(layer) + ".";
        const Vector attended = Attend(layer, position, Norm(x, block + "attn_norm"));
        const Vector attention = Times(block + "attn_output", attended);
        Add(Norm(attention, block + "post_attention_norm"), kResidualScale, x);
        Add(Norm(Mix(block, x), block + "post_ffw_norm"), kResidualScale, x);
      }
    }
    Vector logits = Times("output", Norm(x, "output_norm"));
    for (double& logit : logits) logit = Cap(*kMadeUp.logit_soft_cap, logit / kLogitScale);
    return logits;
  }

 private:
  Vector Tensor(const std::string& name) const {
    const GgufTensor* tensor = file_->FindTensor(name);
    EXPECT_NE(tensor, nullptr) << name;
    std::vector<float> numbers(tensor->bytes.size() / sizeof(float));
    std::memcpy(numbers.data(), tensor->bytes.data(), tensor->bytes.size());
    return {numbers.begin(), numbers.end()};
  }

  Vector Embedding(TokenId token) const {
    const Vector all = Tensor("token_embd.weight");
    Vector x(kSpec.hidden_size);
    for (std::size_t i = 0; i < x.size(); ++i) {
      x[i] = all[token * x.size() + i] * std::sqrt(static_cast<double>(x.size()));
    }
    return x;
  }

  Vector Times(const std::string& matrix, const Vector& x) const {
    return TimesExpert(matrix, 1, 0, x);
  }

  // The product with one of a stack of `experts` matrices.
  Vector TimesExpert(const std::string& stack, std::size_t experts, std::size_t expert,
                     const Vector& x) const {
    const Vector w = Tensor(stack + ".weight");
    Vector y(w.size() / x.size() / experts);
    for (std::size_t row = 0; row < y.size(); ++row) {
      for (std::size_t c = 0; c < x.size(); ++c) {
        y[row] += w[(expert * y.size() + row) * x.size() + c] * x[c];
      }
    }
    return y;
  }

  // The mixture: softmax over all experts, of which the best ones are kept and divided by their
  // sum.
  Vector Mix(const std::string& block, const Vector& x) const {
    Vector shares = Times(block + "ffn_gate_inp", x);
    double all = 0;
    for (double& share : shares) all += share = std::exp(share);
    for (double& share : shares) share /= all;
    Vector sorted = shares;
    std::sort(sorted.rbegin(), sorted.rend());
    const std::size_t used = kSpec.experts_used;
    double kept = 0;
    for (std::size_t i = 0; i < used; ++i) kept += sorted[i];
    Vector out(x.size());
    for (std::size_t expert = 0; expert < shares.size(); ++expert) {
      if (shares[expert] < sorted[used - 1]) continue;
      const auto times = [&](const char* name, const Vector& in) {
        return TimesExpert(block + name, shares.size(), expert, in);
      };
      Vector inner = times("ffn_gate_exps", x);
      const Vector up = times("ffn_up_exps", x);
      for (std::size_t i = 0; i < inner.size(); ++i) inner[i] = Gelu(inner[i]) * up[i];
      Add(times("ffn_down_exps", inner), shares[expert] / kept, out);
    }
    return out;
  }

  // Normalizes each run of as many numbers as the norm has weights.
  Vector Norm(const Vector& x, const std::string& name) const {
    const Vector weight = Tensor(name + ".weight");
    const std::size_t size = weight.size();
    Vector y(x.size());
    for (std::size_t begin = 0; begin < x.size(); begin += size) {
      double squares = 0;
      for (std::size_t i = begin; i < begin + size; ++i) squares += x[i] * x[i];
      const double root = std::sqrt(squares / static_cast<double>(size) + kEpsilon);
      for (std::size_t i = 0; i < size; ++i) y[begin + i] = x[begin + i] / root * weight[i];
    }
    return y;
  }

  static double Gelu(double x) {
    return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }

  static double Cap(double cap, double x) { return cap * std::tanh(x / cap); }

  static void Add(const Vector& added, double scale, Vector& x) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += scale * added[i];
  }

  // Rotates each head by its position (RoPE, with YaRN if `yarn`). Pairs element i with element
  // i + d / 2.
  static void Rotate(std::size_t position, bool window, bool yarn, Vector& heads) {
    const std::size_t d = kSpec.key_length;
    const double base = window ? kMadeUp.window_freq_base : 10000;
    const double magnitude = yarn ? 0.1 * std::log(double{kYarnFactor}) + 1 : 1;
    for (std::size_t head = 0; head < heads.size(); head += d) {
      for (std::size_t i = 0; i < d / 2; ++i) {
        const double angle = static_cast<double>(position) *
                             std::pow(base, -2.0 * static_cast<double>(i) / kSpec.key_length) *
                             (yarn ? kKept[i] + (1 - kKept[i]) / kYarnFactor : 1);
        const double a = heads[head + i];
        const double b = heads[head + i + d / 2];
        heads[head + i] = magnitude * (a * std::cos(angle) - b * std::sin(angle));
        heads[head + i + d / 2] = magnitude * (a * std::sin(angle) + b * std::cos(angle));
      }
    }
  }

  Vector Attend(std::uint32_t layer, std::size_t position, const Vector& x) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    const auto project = [&](const std::string& name) {
      Vector y = Times(block + name, x);
      Add(Tensor(block + name + ".bias"), 1, y);
      return y;
    };
    Vector query = Norm(project("attn_q"), block + "attn_q_norm");
    Vector key = Norm(project("attn_k"), block + "attn_k_norm");
    const bool window = layer < 2;
    if (layer == 0 || (layer == 2 && !other_)) {
      const bool yarn = !window || other_;
      Rotate(position, window, yarn, query);
      Rotate(position, window, yarn, key);
    }
    const std::size_t first = window && position >= kWindow ? position - kWindow + 1 : 0;
    const auto contexts = static_cast<double>(position / kOriginalContext);
    const double temperature = 1 + kTemperatureScale * std::log(1 + contexts);
    keys_[layer].push_back(key);
    values_[layer].push_back(project("attn_v"));
    const std::size_t heads = kSpec.kv_heads * kSpec.heads_per_group;
    Vector out(heads * kSpec.value_length);
    for (std::size_t head = 0; head < heads; ++head) {
      const std::size_t group = head / kSpec.heads_per_group;
      double sum = 0;
      for (std::size_t p = first; p <= position; ++p) {
        double score = 0;
        for (std::size_t d = 0; d < kSpec.key_length; ++d) {
          score +=
              query[head * kSpec.key_length + d] * keys_[layer][p][group * kSpec.key_length + d];
        }
        const double weight = std::exp(Cap(kScoreSoftCap, score * kAttentionScale * temperature));
        sum += weight;
        for (std::size_t d = 0; d < kSpec.value_length; ++d) {
          out[head * kSpec.value_length + d] +=
              weight * values_[layer][p][group * kSpec.value_length + d];
        }
      }
      for (std::size_t d = 0; d < kSpec.value_length; ++d)
        out[head * kSpec.value_length + d] /= sum;
    }
    return out;
  }

  const bool other_;  // whether the description is OtherMadeUp()
  const std::unique_ptr<const GgufFile> file_;
  std::vector<std::vector<Vector>> keys_;    // [layers][positions]
  std::vector<std::vector<Vector>> values_;  // [layers][positions]
};

// Runs Tokens() in passes of `rows` rows and returns the logits of the last token.
std::vector<float> LogitsOf(const std::shared_ptr<const Model>& model, InstructionSet set,
                            std::size_t rows, Arithmetic arithmetic = Arithmetic::kExact) {
  const auto transformer =
      Transformer::Create(model, {.threads = 2, .instruction_set = set, .arithmetic = arithmetic});
  EXPECT_TRUE(transformer.ok()) << transformer.status();
  const std::vector<TokenId>& tokens = Tokens();
  const auto cache = KvCache::Create(model->config(), KvType::kF32, 128, 1);
  const auto kv = *(*cache)->Open();
  for (std::size_t begin = 0; begin < tokens.size(); begin += rows) {
    const std::size_t count = std::min(rows, tokens.size() - begin);
    std::vector<std::int32_t> parents(count);
    std::vector<int> path(count);
    for (std::size_t i = 0; i < count; ++i) {
      parents[i] = static_cast<std::int32_t>(i) - 1;
      path[i] = static_cast<int>(i);
    }
    const int last = static_cast<int>(count) - 1;
    const Segment segment = {.kv = kv.get(),
                             .tokens = std::span(tokens).subspan(begin, count),
                             .parents = parents,
                             .logit_rows = {&last, 1}};
    EXPECT_TRUE((*transformer)->Forward({&segment, 1}, nullptr).ok());
    EXPECT_TRUE((*transformer)->Commit(0, path).ok());
  }
  const auto logits = (*transformer)->logits(0);
  return {logits.begin(), logits.end()};
}

// The largest difference, divided by the largest logit.
double Distance(const std::vector<float>& got, const Vector& expected) {
  EXPECT_EQ(got.size(), expected.size());
  double largest = 0;
  double difference = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(got[i] - expected[i]));
  }
  return difference / largest;
}

constexpr double kTolerance = 1e-5;

class ArchitectureTest : public testing::TestWithParam<InstructionSet> {};

INSTANTIATE_TEST_SUITE_P(Sets, ArchitectureTest, testing::ValuesIn(SupportedInstructionSets()),
                         [](const auto& set) {
                           std::string name(Name(set.param));
                           std::erase(name, '-');
                           return name;
                         });

// The logits of Tokens() by the formulas.
const Vector& Expected(QueryKeyNorm norm) {
  static const Vector head = Reference(QueryKeyNorm::kHead).Logits(Tokens());
  static const Vector row = Reference(QueryKeyNorm::kHeads).Logits(Tokens());
  return norm == QueryKeyNorm::kHeads ? row : head;
}

void ExpectLogitsOf(const Architecture& description, InstructionSet set) {
  const auto model = Load(description);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT((*model)->Description(), testing::StartsWith("made-up, "));
  const Vector& expected = Expected(description.query_key_norm);
  EXPECT_LT(Distance(LogitsOf(*model, set, 1), expected), kTolerance);
  for (const Arithmetic arithmetic : {Arithmetic::kExact, Arithmetic::kFast}) {
    const std::vector<float> one_by_one = LogitsOf(*model, set, 1, arithmetic);
    for (const std::size_t rows : {2U, 3U, 7U, 70U}) {
      const std::vector<float> together = LogitsOf(*model, set, rows, arithmetic);
      ASSERT_EQ(together.size(), one_by_one.size());
      EXPECT_EQ(std::memcmp(together.data(), one_by_one.data(), together.size() * sizeof(float)), 0)
          << "in passes of " << rows << " rows";
    }
  }
}

TEST_P(ArchitectureTest, LogitsFollowTheDescription) { ExpectLogitsOf(kMadeUp, GetParam()); }

TEST_P(ArchitectureTest, LogitsFollowTheOtherDescription) {
  ExpectLogitsOf(OtherMadeUp(), GetParam());
}

// Fused tensors hold the same numbers, so the logits have the same bits.
TEST_P(ArchitectureTest, FusedProjectionsChangeNothing) {
  const auto logits_of = [&](bool fused, Arithmetic arithmetic) {
    const Architecture description = {.name = "made-up", .fused_projections = fused};
    const std::string bytes = doubles::TinyModelBytes(
        {.architecture = "made-up", .fused_projections = fused, .matrix_type = 8});
    auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(bytes)));
    EXPECT_TRUE(file.ok()) << file.status();
    const auto model = Model::FromFile(*std::move(file), "made-up", {&description, 1});
    EXPECT_TRUE(model.ok()) << model.status();
    return LogitsOf(*model, GetParam(), 7, arithmetic);
  };
  for (const Arithmetic arithmetic : {Arithmetic::kExact, Arithmetic::kFast}) {
    EXPECT_EQ(logits_of(true, arithmetic), logits_of(false, arithmetic));
  }
}

TEST_P(ArchitectureTest, ADifferentDescriptionGivesDifferentLogits) {
  const Vector& expected = Expected(QueryKeyNorm::kHead);
  Architecture activation = kMadeUp;
  activation.activation = Activation::kSilu;
  Architecture rotation = kMadeUp;
  rotation.rotation = Rotation::kNeighbours;
  Architecture embedding = kMadeUp;
  embedding.scaled_embedding = false;
  Architecture scales = kMadeUp;
  scales.has_scales = false;
  Architecture temperature = kMadeUp;
  temperature.has_temperature = false;
  Architecture layers = kMadeUp;
  layers.unrotated_layer_every = 0;
  Architecture window = kMadeUp;
  window.window_pattern = 0;
  Architecture base = kMadeUp;
  base.window_freq_base = 0;
  Architecture scaling = kMadeUp;
  scaling.window_rope_scaling = true;
  Architecture windows = kMadeUp;
  windows.rotates_only_windows = true;
  Architecture cap = kMadeUp;
  cap.logit_soft_cap = 0.0F;
  for (const Architecture& changed : {activation, rotation, embedding, scales, temperature, layers,
                                      window, base, scaling, windows, cap}) {
    const auto model = Load(changed);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_GT(Distance(LogitsOf(*model, GetParam(), 7), expected), 5 * kTolerance);
  }
}

TEST(ArchitectureFileTest, ATensorThatTheDescriptionDoesNotNameIsRefused) {
  const auto refusal_of = [](const Architecture& description) {
    const absl::Status status = Load(description).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
    return std::string(status.message());
  };
  Architecture bias = kMadeUp;
  bias.query_key_value_bias = false;
  EXPECT_THAT(refusal_of(bias), HasSubstr("attn_k.bias"));
  Architecture norm = kMadeUp;
  norm.query_key_norm = QueryKeyNorm::kNone;
  EXPECT_THAT(refusal_of(norm), HasSubstr("attn_k_norm.weight"));
  Architecture attention = kMadeUp;
  attention.attention_post_norm = "";
  EXPECT_THAT(refusal_of(attention), HasSubstr("post_attention_norm"));
  Architecture feed_forward = kMadeUp;
  feed_forward.feed_forward_post_norm = "";
  EXPECT_THAT(refusal_of(feed_forward),
              HasSubstr("post_ffw_norm.weight\" is not part of architecture \"made-up\""));
}

TEST(ArchitectureFileTest, ATensorThatOnlyTheDescriptionNamesIsAbsent) {
  Architecture norm = kMadeUp;
  norm.feed_forward_norm = "ffn_norm";
  const absl::Status status = Load(norm).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("blk.0.ffn_norm.weight is absent"));
}

TEST(ArchitectureFileTest, ExpertsAndSoftCapsThatTheDescriptionDoesNotHaveAreRefused) {
  Architecture dense = kMadeUp;
  dense.mixture = Mixture::kNone;
  Architecture uncapped = kMadeUp;
  uncapped.score_soft_cap.reset();
  EXPECT_EQ(Load(dense).status(),
            absl::UnimplementedError("made-up.expert_count: got 5, expected 0, because "
                                     "architecture \"made-up\" has no experts"));
  EXPECT_EQ(Load(uncapped).status(),
            absl::UnimplementedError("made-up.attn_logit_softcapping: got 1.5, expected 0, because "
                                     "the architecture has no such soft cap"));
}

TEST(ArchitectureFileTest, AnArchitectureWithoutADescriptionIsRefusedByName) {
  const absl::Status status = Model::FromFile(ParseFile(), "made-up").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("\"made-up\" is not supported, expected \"llama\", "));
}

}  // namespace
}  // namespace recycling::verifier
