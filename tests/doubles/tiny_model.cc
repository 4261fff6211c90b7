#include "tests/doubles/tiny_model.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <functional>
#include <utility>
#include <vector>

namespace recycling::doubles {
namespace {

constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kF16 = 1;
constexpr std::uint32_t kQ4_0 = 2;
constexpr std::uint32_t kQ8_0 = 8;
constexpr std::uint32_t kQ6_K = 14;
constexpr std::uint32_t kBF16 = 30;

// A half-precision number in a block. It is `factor` times the largest magnitude of the values.
struct BlockHalf {
  std::size_t at;  // byte offset
  float factor;
};

struct BlockFormat {
  std::uint32_t type;
  std::uint32_t values;
  std::size_t bytes;
  std::vector<BlockHalf> halves;
};

// The types with blocks. All bytes of a block except its halves may have any value. The factors
// allow for the integers that such bytes give.
const std::vector<BlockFormat>& BlockFormats() {
  static const auto& formats = *new std::vector<BlockFormat>{
      {2, 32, 18, {{0, 1.0F / 8}}},                        // Q4_0
      {3, 32, 20, {{0, 1.0F / 8}, {2, -1.0F}}},            // Q4_1
      {6, 32, 22, {{0, 1.0F / 16}}},                       // Q5_0
      {7, 32, 24, {{0, 1.0F / 16}, {2, -1.0F}}},           // Q5_1
      {8, 32, 34, {{0, 1.0F / 128}}},                      // Q8_0
      {10, 256, 84, {{80, 1.0F / 24}, {82, 1.0F / 15}}},   // Q2_K
      {11, 256, 110, {{108, 1.0F / 128}}},                 // Q3_K
      {12, 256, 144, {{0, 1.0F / 504}, {2, 1.0F / 63}}},   // Q4_K
      {13, 256, 176, {{0, 1.0F / 1008}, {2, 1.0F / 63}}},  // Q5_K
      {14, 256, 210, {{208, 1.0F / 256}}},                 // Q6_K
      {20, 32, 18, {{0, 1.0F / 128}}},                     // IQ4_NL
      {23, 256, 136, {{0, 1.0F / 2048}}},                  // IQ4_XS
  };
  return formats;
}

// Null for a type without blocks.
const BlockFormat* FindBlockFormat(std::uint32_t type) {
  for (const BlockFormat& format : BlockFormats()) {
    if (format.type == type) return &format;
  }
  return nullptr;
}

// Gives the same numbers on every platform, unlike the distributions of <random> (SplitMix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // A number in [-1, 1), a multiple of 2^-23, which is exact in single precision.
  float Symmetric() { return static_cast<float>(Bits() >> 40) / 8388608.0F - 1.0F; }

 private:
  std::uint64_t state_;
};

// The half-precision bits of a number, rounded towards zero. Its magnitude must be less than 65536.
std::uint16_t HalfBits(float value) {
  const float magnitude = std::fabs(value);
  const auto bits = std::bit_cast<std::uint32_t>(magnitude);
  const std::uint32_t half = magnitude < 0x1p-14F ? static_cast<std::uint32_t>(magnitude * 0x1p24F)
                                                  : (bits >> 13) - ((127 - 15) << 10);
  return static_cast<std::uint16_t>(half | (std::signbit(value) ? 0x8000U : 0U));
}

// The bytes of one random block (of one value in a type without blocks). The values are spread over
// about [-scale, scale].
std::string RandomBlock(std::uint32_t type, float scale, Random& random) {
  if (type == kF32) return GgufBytes(scale * random.Symmetric());
  if (type == kF16) return GgufBytes(HalfBits(scale * random.Symmetric()));
  if (type == kBF16) {
    return GgufBytes(
        static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(scale * random.Symmetric()) >> 16));
  }
  const BlockFormat& format = *FindBlockFormat(type);
  std::string block;
  while (block.size() < format.bytes) {
    const auto half = std::find_if(format.halves.begin(), format.halves.end(),
                                   [&](const BlockHalf& h) { return h.at == block.size(); });
    if (half != format.halves.end()) {
      block += GgufBytes(HalfBits(scale * half->factor));
    } else if (type == kQ6_K && block.size() >= 192) {
      // Scales of four bits, so that the half is not too small.
      block += GgufBytes(static_cast<std::int8_t>(static_cast<int>(random.Bits() >> 60) - 8));
    } else {
      block += static_cast<char>(random.Bits() & 0xff);
    }
  }
  return block;
}

std::uint32_t BlockValues(std::uint32_t type) {
  const BlockFormat* const format = FindBlockFormat(type);
  return format == nullptr ? 1 : format->values;
}

constexpr float kOutlierScale = 100.0F;

using IsOutlier = std::function<bool(std::uint32_t)>;

bool None(std::uint32_t) { return false; }

// Makes value `i` of a quantized block as small as it can be without being zero.
void Shrink(std::uint32_t type, std::uint32_t i, std::string& block) {
  if (type == kQ8_0) {
    char& number = block[2 + i];
    number = number < 0 ? -1 : 1;
  } else if (type == kQ4_0) {
    char& pair = block[2 + i % 16];
    const unsigned shift = i < 16 ? 0 : 4;
    const unsigned bits = static_cast<unsigned char>(pair);
    const unsigned number = (bits >> shift & 15) < 8 ? 7 : 9;
    pair = static_cast<char>((bits & ~(15U << shift)) | number << shift);
  }
}

// Adds a matrix [rows, columns] whose outputs are about as large as its inputs. Outlier rows have
// larger weights, outlier columns smaller ones. If `matrices` is not 0, adds a stack of so many
// such matrices.
void AddMatrix(GgufWriter& writer, const std::string& name, std::uint32_t columns,
               std::uint32_t rows, std::uint32_t type, Random& random,
               const IsOutlier& outlier_row = None, const IsOutlier& outlier_column = None,
               std::uint32_t matrices = 0) {
  if (columns % BlockValues(type) != 0) type = kF32;
  const std::uint32_t block_values = BlockValues(type);
  const float scale = 1.7F / std::sqrt(static_cast<float>(columns));
  std::string data;
  for (std::uint32_t i = 0; i < rows * std::max(1U, matrices); ++i) {
    const float row_scale = outlier_row(i % rows) ? scale * kOutlierScale : scale;
    for (std::uint32_t column = 0; column < columns; column += block_values) {
      const bool small = block_values == 1 && outlier_column(column);
      std::string block = RandomBlock(type, small ? row_scale / kOutlierScale : row_scale, random);
      for (std::uint32_t v = 0; block_values > 1 && v < block_values; ++v) {
        if (outlier_column(column + v)) Shrink(type, v, block);
      }
      data += block;
    }
  }
  std::vector<std::uint64_t> shape = {columns, rows};
  if (matrices != 0) shape.push_back(matrices);
  writer.Tensor(name, shape, type, data);
}

// Adds a vector of numbers in [low, high]; outliers are kOutlierScale times as large.
void AddVector(GgufWriter& writer, const std::string& name, std::uint32_t size, float low,
               float high, Random& random, const IsOutlier& outlier = None) {
  std::string data;
  for (std::uint32_t i = 0; i < size; ++i) {
    const float value = low + (high - low) * 0.5F * (random.Symmetric() + 1.0F);
    data += GgufBytes(outlier(i) ? value * kOutlierScale : value);
  }
  writer.Tensor(name, {size}, kF32, data);
}

std::vector<std::string> TextPieces() {
  std::vector<std::string> pieces = {"\xE2\x96\x81"};
  for (char c = 'a'; c <= 'z'; ++c) pieces.emplace_back(1, c);
  for (const char* piece : {".", ",", "he", "in", "an", "the", "\xE2\x96\x81t", "\xE2\x96\x81the",
                            "\xE2\x96\x81"
                            "a",
                            "\xE2\x96\x81"
                            "and",
                            "er", "on"}) {
    pieces.emplace_back(piece);
  }
  return pieces;
}

void AddTokenizer(GgufWriter& writer, std::uint32_t vocab_size) {
  constexpr std::int32_t kNormal = 1;
  constexpr std::int32_t kUnknown = 2;
  constexpr std::int32_t kControl = 3;
  constexpr std::int32_t kByte = 6;
  std::vector<std::string> tokens = {"<unk>", "<s>", "</s>"};
  std::vector<std::int32_t> types = {kUnknown, kControl, kControl};
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::array<char, 8> text = {};
    std::snprintf(text.data(), text.size(), "<0x%02X>", byte);
    tokens.emplace_back(text.data());
    types.push_back(kByte);
  }
  for (const std::string& piece : TextPieces()) {
    tokens.push_back(piece);
    types.push_back(kNormal);
  }
  while (tokens.size() < vocab_size) {
    std::string token = "w";
    token += std::to_string(tokens.size());
    tokens.push_back(std::move(token));
    types.push_back(kNormal);
  }
  tokens.resize(vocab_size);
  types.resize(vocab_size);
  std::vector<float> scores(vocab_size, 0.0F);
  for (std::uint32_t i = 259; i < vocab_size; ++i) scores[i] = -static_cast<float>(i - 259);
  writer.String("tokenizer.ggml.model", "llama");
  writer.Strings("tokenizer.ggml.tokens", tokens);
  writer.Floats("tokenizer.ggml.scores", scores);
  writer.Int32s("tokenizer.ggml.token_type", types);
  writer.Uint32("tokenizer.ggml.bos_token_id", 1);
  writer.Uint32("tokenizer.ggml.eos_token_id", 2);
  writer.Uint32("tokenizer.ggml.unknown_token_id", 0);
}

void AddConfig(GgufWriter& writer, const TinyModelSpec& spec) {
  const std::string prefix = spec.architecture + ".";
  writer.String("general.architecture", spec.architecture);
  writer.String("general.name", "tiny");
  writer.Uint32(prefix + "context_length", spec.context_length);
  writer.Uint32(prefix + "embedding_length", spec.hidden_size);
  writer.Uint32(prefix + "block_count", spec.layers);
  writer.Uint32(prefix + "feed_forward_length", spec.feed_forward);
  if (spec.scales) {
    writer.Float(prefix + "embedding_scale", 2.0F);
    writer.Float(prefix + "residual_scale", 0.75F);
    writer.Float(prefix + "attention.scale", 0.5F);
    writer.Float(prefix + "logit_scale", 3.0F);
  }
  if (spec.window != 0) writer.Uint32(prefix + "attention.sliding_window", spec.window);
  if (spec.experts != 0) {
    writer.Uint32(prefix + "expert_count", spec.experts);
    writer.Uint32(prefix + "expert_used_count", spec.experts_used);
    writer.Uint32(prefix + "expert_feed_forward_length", spec.feed_forward);
  }
  writer.Uint32(prefix + "attention.head_count", spec.kv_heads * spec.heads_per_group);
  writer.Uint32(prefix + "attention.head_count_kv", spec.kv_heads);
  writer.Uint32(prefix + "attention.key_length", spec.key_length);
  writer.Uint32(prefix + "attention.value_length", spec.value_length);
  writer.Uint32(prefix + "rope.dimension_count", spec.key_length);
  writer.Float(prefix + "rope.freq_base", 10000.0F);
  writer.Float(prefix + "attention.layer_norm_rms_epsilon", 1e-5F);
}

// One of every `every` channels; none if `every` is 0.
IsOutlier Every(std::uint32_t every) {
  if (every == 0) return None;
  return [every](std::uint32_t channel) { return channel % every == every / 2; };
}

void AddLayer(GgufWriter& writer, const TinyModelSpec& spec, std::uint32_t layer, Random& random) {
  std::string block = "blk.";
  block += std::to_string(layer);
  block += '.';
  const std::uint32_t heads = spec.kv_heads * spec.heads_per_group;
  const IsOutlier outlier = Every(spec.outlier_every);
  // Whether a channel of the attention output comes from an outlier value channel.
  const IsOutlier attended = [&](std::uint32_t channel) {
    const std::uint32_t kv_head = channel / spec.value_length / spec.heads_per_group;
    return outlier(kv_head * spec.value_length + channel % spec.value_length);
  };
  const auto matrix = [&](const char* name, std::uint32_t columns, std::uint32_t rows,
                          const IsOutlier& outlier_row, const IsOutlier& outlier_column) {
    AddMatrix(writer, block + name + ".weight", columns, rows, spec.matrix_type, random,
              outlier_row, outlier_column);
  };
  const auto norm = [&](const char* name) {
    AddVector(writer, block + name + ".weight", spec.hidden_size, 0.5F, 1.5F, random, outlier);
  };
  if (spec.attention_norm) norm("attn_norm");
  const std::uint32_t queries = heads * spec.key_length;
  const std::uint32_t keys = spec.kv_heads * spec.key_length;
  const std::uint32_t values = spec.kv_heads * spec.value_length;
  if (spec.fused_projections) {
    const IsOutlier value_row = [&](std::uint32_t row) {
      return row >= queries + keys && outlier(row - queries - keys);
    };
    matrix("attn_qkv", spec.hidden_size, queries + keys + values, value_row, outlier);
  } else {
    matrix("attn_q", spec.hidden_size, queries, None, outlier);
    matrix("attn_k", spec.hidden_size, keys, None, outlier);
    matrix("attn_v", spec.hidden_size, values, outlier, outlier);
  }
  const auto vector = [&](const char* name, std::uint32_t size, float low, float high) {
    AddVector(writer, block + name, size, low, high, random);
  };
  if (spec.biases) {
    vector("attn_q.bias", queries, -0.5F, 0.5F);
    vector("attn_k.bias", keys, -0.5F, 0.5F);
    vector("attn_v.bias", values, -0.5F, 0.5F);
  }
  if (spec.head_norm != TinyHeadNorm::kNone) {
    const bool row = spec.head_norm == TinyHeadNorm::kRow;
    vector("attn_q_norm.weight", row ? queries : spec.key_length, 0.5F, 1.5F);
    vector("attn_k_norm.weight", row ? keys : spec.key_length, 0.5F, 1.5F);
  }
  if (spec.post_norms) {
    vector("post_attention_norm.weight", spec.hidden_size, 0.5F, 1.5F);
    vector("post_ffw_norm.weight", spec.hidden_size, 0.5F, 1.5F);
  }
  matrix("attn_output", heads * spec.value_length, spec.hidden_size, None, attended);
  if (spec.feed_forward_norm) norm("ffn_norm");
  if (spec.experts != 0) {
    AddMatrix(writer, block + "ffn_gate_inp.weight", spec.hidden_size, spec.experts, kF32, random,
              None, outlier);
    const auto experts = [&](const char* name, std::uint32_t columns, std::uint32_t rows,
                             const IsOutlier& outlier_row) {
      AddMatrix(writer, block + name + ".weight", columns, rows, spec.matrix_type, random,
                outlier_row, outlier, spec.experts);
    };
    experts("ffn_gate_exps", spec.hidden_size, spec.feed_forward, None);
    experts("ffn_up_exps", spec.hidden_size, spec.feed_forward, outlier);
    experts("ffn_down_exps", spec.feed_forward, spec.hidden_size, None);
    return;
  }
  if (spec.fused_projections) {
    const IsOutlier up_row = [&](std::uint32_t row) {
      return row >= spec.feed_forward && outlier(row - spec.feed_forward);
    };
    matrix("ffn_up", spec.hidden_size, 2 * spec.feed_forward, up_row, outlier);
  } else {
    matrix("ffn_gate", spec.hidden_size, spec.feed_forward, None, outlier);
    matrix("ffn_up", spec.hidden_size, spec.feed_forward, outlier, outlier);
  }
  matrix("ffn_down", spec.feed_forward, spec.hidden_size, None, outlier);
}

}  // namespace

TinyModelSpec TinyModelOf(const std::string& architecture) {
  constexpr std::uint32_t kWindow = 20;
  TinyModelSpec spec = {.architecture = architecture};
  if (architecture == "qwen2") spec.biases = true;
  if (architecture == "phi3") spec.fused_projections = true;
  if (architecture == "qwen3" || architecture == "qwen3moe" || architecture == "gemma3") {
    spec.head_norm = TinyHeadNorm::kHead;
  }
  if (architecture == "qwen3moe") {
    spec.experts = 6;
    spec.experts_used = 2;
    // As in the real models, attention is wider than the rest.
    spec.key_length = spec.value_length = 24;
  }
  if (architecture == "gemma2" || architecture == "gemma3" || architecture == "olmo2") {
    spec.post_norms = true;
    spec.window = kWindow;
    spec.layers = 7;  // of each architecture, some with a window and some without
  }
  if (architecture == "olmo2") {
    spec.head_norm = TinyHeadNorm::kRow;
    spec.attention_norm = false;
    spec.feed_forward_norm = false;
  }
  if (architecture == "exaone4") {
    spec.head_norm = TinyHeadNorm::kHead;
    spec.attention_norm = false;
    spec.feed_forward_norm = false;
    spec.post_norms = true;
    spec.window = kWindow;
    spec.layers = 64;  // llama.cpp uses the window only with so many layers
    spec.rope_factors = true;
  }
  spec.tied = architecture == "gemma2" || architecture == "gemma3";
  spec.scales = architecture == "granite";
  if (architecture == "smollm3") spec.layers = 4;
  return spec;
}

GgufWriter TinyModelWriter(const TinyModelSpec& spec) {
  GgufWriter writer;
  Random random(spec.seed);
  AddConfig(writer, spec);
  AddTokenizer(writer, spec.vocab_size);
  AddMatrix(writer, "token_embd.weight", spec.hidden_size, spec.vocab_size, spec.matrix_type,
            random);
  for (std::uint32_t layer = 0; layer < spec.layers; ++layer) {
    AddLayer(writer, spec, layer, random);
  }
  const IsOutlier outlier = spec.tied ? None : Every(spec.outlier_every);
  AddVector(writer, "output_norm.weight", spec.hidden_size, 2.0F, 4.0F, random, outlier);
  if (!spec.tied) {
    AddMatrix(writer, "output.weight", spec.hidden_size, spec.vocab_size, spec.matrix_type, random,
              None, outlier);
  }
  if (spec.rope_factors) {
    AddVector(writer, "rope_freqs.weight", spec.key_length / 2, 1.0F, 8.0F, random);
  }
  return writer;
}

std::string TinyModelBytes(const TinyModelSpec& spec) { return TinyModelWriter(spec).Finish(); }

bool WriteTinyModel(const TinyModelSpec& spec, const std::string& path) {
  const std::string bytes = TinyModelBytes(spec);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  return file.good();
}

}  // namespace recycling::doubles
