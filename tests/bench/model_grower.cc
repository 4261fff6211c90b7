#include "tests/bench/model_grower.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/status_macros.h"
#include "tests/doubles/gguf_writer.h"
#include "verifier/kernels/dequantize.h"
#include "verifier/kernels/float_math.h"
#include "verifier/model/model_config.h"
#include "verifier/model/weights.h"

namespace recycling::bench {
namespace {

using doubles::GgufBytes;
using doubles::GgufText;
using verifier::GgufFile;
using verifier::GgufValue;
using verifier::GgufValueType;
using verifier::Matrix;
using verifier::ModelConfig;
using verifier::TensorType;

constexpr std::size_t kAlignment = 32;
constexpr std::size_t kBlock = 32;  // values of a Q8_0 or Q4_0 block

template <typename T>
void Append(T value, std::string& out) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void EncodeQ8_0(const float* x, std::string& out) {
  float largest = 0;
  for (std::size_t i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
  const std::uint16_t half = verifier::FloatToHalf(largest / 127);
  const float scale = verifier::HalfToFloat(half);
  const float inverse = scale > 0 ? 1 / scale : 0;
  Append(half, out);
  for (std::size_t i = 0; i < kBlock; ++i) {
    const float number = std::clamp(x[i] * inverse, -127.0F, 127.0F);
    Append(static_cast<std::int8_t>(number + (number < 0 ? -0.5F : 0.5F)), out);
  }
}

// Sets `numbers` to the block's Q4_0 numbers, 0 to 15, at this scale. Returns the squared error.
float QuantizeQ4_0(const float* x, float scale, std::array<int, kBlock>& numbers) {
  const float inverse = scale != 0 ? 1 / scale : 0;
  float error = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    numbers[i] = static_cast<int>(std::clamp(x[i] * inverse + 8.5F, 0.0F, 15.5F));
    const float difference = x[i] - static_cast<float>(numbers[i] - 8) * scale;
    error += difference * difference;
  }
  return error;
}

void EncodeQ4_0(const float* x, std::string& out) {
  const float extreme = *std::max_element(
      x, x + kBlock, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  std::array<int, kBlock> numbers = {};
  std::array<int, kBlock> best = {};
  std::uint16_t best_half = 0;
  float best_error = std::numeric_limits<float>::infinity();
  for (int quarters = -36; quarters <= -28; ++quarters) {  // maps `extreme` to -9 ... -7
    const std::uint16_t half = verifier::FloatToHalf(extreme * 4 / static_cast<float>(quarters));
    const float error = QuantizeQ4_0(x, verifier::HalfToFloat(half), numbers);
    if (!(error < best_error)) continue;
    best_error = error;
    best_half = half;
    best = numbers;
  }
  Append(best_half, out);
  for (std::size_t i = 0; i < kBlock / 2; ++i) {
    Append(static_cast<std::uint8_t>(best[i] | best[i + kBlock / 2] << 4), out);
  }
}

// Uniform numbers of mean 0, the same on every platform (SplitMix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  void Fill(float* out, std::size_t count, float largest) {
    const float unit = largest / 2147483648.0F;
    for (std::size_t i = 0; i < count; i += 2) {
      const std::uint64_t bits = Bits();
      out[i] = unit * static_cast<float>(static_cast<std::int32_t>(bits));
      if (i + 1 < count)
        out[i + 1] = unit * static_cast<float>(static_cast<std::int32_t>(bits >> 32));
    }
  }

 private:
  std::uint64_t Bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
};

// The values outside the trained matrix.
enum class Fill { kRandom, kZeroColumns, kZero };

struct Tensor {
  std::string name;
  std::size_t rows = 0;
  std::size_t columns = 0;
  TensorType type = TensorType::kF32;
  const Matrix* trained = nullptr;  // becomes the top left corner of the tensor; may be null
  Fill fill = Fill::kRandom;
  std::vector<float> vector;  // if not empty, the tensor is this one row
  std::size_t stacked = 0;    // 0: one matrix; otherwise a stack of so many

  std::size_t bytes() const {
    const auto& info = verifier::InfoOf(type);
    return std::max<std::size_t>(1, stacked) * rows * columns / info.block_values *
           info.block_bytes;
  }
};

// Writes one row. Call it for the rows in order, because `random` continues from row to row.
void FillRow(const Tensor& tensor, std::size_t row, Random& random, std::vector<float>& out) {
  if (!tensor.vector.empty()) {
    out = tensor.vector;
    return;
  }
  out.assign(tensor.columns, 0.0F);
  std::size_t column = 0;
  if (tensor.trained != nullptr && row < tensor.trained->rows) {
    column = tensor.trained->columns;
    verifier::DequantizeRow(tensor.trained->type, tensor.trained->Row(row), column, out.data());
    if (tensor.fill != Fill::kRandom) return;
  }
  if (tensor.fill == Fill::kZero) return;
  // Variance 1 / columns, so that outputs are about as large as inputs.
  random.Fill(out.data() + column, tensor.columns - column,
              std::sqrt(3.0F / static_cast<float>(tensor.columns)));
}

absl::Status CheckGrowth(const Growth& g, const ModelConfig& from, const ModelConfig& to) {
  const auto refuse = [](auto... what) {
    return absl::InvalidArgumentError(absl::StrCat(what...));
  };
  if (g.type != TensorType::kF32 && g.type != TensorType::kF16 && g.type != TensorType::kQ8_0 &&
      g.type != TensorType::kQ4_0) {
    return refuse("type: got ", std::string(verifier::InfoOf(g.type).name),
                  ", expected F32, F16, Q8_0 or Q4_0");
  }
  if (to.layers < from.layers) {
    return refuse("layers: got ", to.layers, ", expected at least ", from.layers);
  }
  if (to.kv_heads < from.kv_heads) {
    return refuse("kv_heads: got ", to.kv_heads, ", expected at least ", from.kv_heads);
  }
  if (to.heads != std::uint64_t{to.kv_heads} * from.heads_per_group()) {
    return refuse("heads: got ", to.heads, " for ", to.kv_heads, " key-value heads, expected ",
                  std::uint64_t{to.kv_heads} * from.heads_per_group());
  }
  if (to.hidden_size < from.hidden_size) {
    return refuse("heads: got a hidden size of ", to.hidden_size, ", expected at least ",
                  from.hidden_size);
  }
  if (from.experts != 0) {
    return absl::UnimplementedError(
        absl::StrCat("got a mixture of ", from.experts, " experts, expected a model without"));
  }
  if (to.experts != 0 && (to.experts_used == 0 || to.experts_used > to.experts)) {
    return refuse("experts_used: got ", to.experts_used, ", expected 1 to ", to.experts);
  }
  if (to.feed_forward < from.feed_forward) {
    return refuse("feed_forward: got ", to.feed_forward, ", expected at least ", from.feed_forward);
  }
  const std::uint32_t block = verifier::InfoOf(g.type).block_values;
  for (const std::uint64_t columns : {std::uint64_t{to.hidden_size}, std::uint64_t{to.feed_forward},
                                      std::uint64_t{to.heads} * to.value_length}) {
    if (columns % block != 0) {
      return refuse("type: got rows of ", columns, " weights, expected a multiple of ", block);
    }
  }
  return absl::OkStatus();
}

ModelConfig Grown(const Growth& g, const ModelConfig& from) {
  ModelConfig to = from;
  if (g.layers != 0) to.layers = g.layers;
  if (g.heads != 0) to.heads = g.heads;
  if (g.kv_heads != 0) to.kv_heads = g.kv_heads;
  if (g.feed_forward != 0) to.feed_forward = g.feed_forward;
  if (g.experts != 0) {
    to.experts = g.experts;
    to.experts_used = g.experts_used;
  }
  if (to.heads != from.heads) to.hidden_size = to.heads * to.key_length;
  to.rms_epsilon = static_cast<float>(double{from.rms_epsilon} * from.hidden_size / to.hidden_size);
  return to;
}

std::vector<float> GrownNorm(const std::vector<float>& trained, std::size_t size) {
  const double factor = std::sqrt(static_cast<double>(trained.size()) / static_cast<double>(size));
  std::vector<float> norm(size, 1.0F);
  std::transform(trained.begin(), trained.end(), norm.begin(),
                 [&](float w) { return static_cast<float>(w * factor); });
  return norm;
}

// All tensors of the grown model, in the order in which a pass uses them.
std::vector<Tensor> Plan(const verifier::Weights& w, bool tied, const ModelConfig& c,
                         TensorType type) {
  std::vector<Tensor> plan;
  const auto vector = [&](std::string name, std::vector<float> values) {
    plan.push_back({.name = std::move(name), .rows = 1, .columns = values.size()});
    plan.back().vector = std::move(values);
  };
  const auto matrix = [&](std::string name, std::size_t rows, std::size_t columns,
                          const Matrix* trained, Fill fill) {
    plan.push_back({std::move(name), rows, columns, type, trained, fill, {}});
  };
  // A matrix of a feed-forward block, or the stack of those of the experts.
  const auto feed_forward = [&](const std::string& name, std::size_t rows, std::size_t columns,
                                const std::vector<Matrix>* trained, Fill fill) {
    matrix(name + (c.experts == 0 ? ".weight" : "_exps.weight"), rows, columns,
           trained != nullptr ? &trained->front() : nullptr, fill);
    plan.back().stacked = c.experts;
  };
  const std::size_t hidden = c.hidden_size;
  const std::size_t queries = std::size_t{c.heads} * c.key_length;
  const std::size_t keys = std::size_t{c.kv_heads} * c.key_length;
  const std::size_t values = std::size_t{c.kv_heads} * c.value_length;
  const std::size_t attended = std::size_t{c.heads} * c.value_length;
  matrix("token_embd.weight", c.vocab_size, hidden, &w.embedding, Fill::kZeroColumns);
  for (std::size_t layer = 0; layer < c.layers; ++layer) {
    const std::string block = absl::StrCat("blk.", layer, ".");
    const verifier::LayerWeights* old = layer < w.layers.size() ? &w.layers[layer] : nullptr;
    const std::vector<float> none;
    vector(block + "attn_norm.weight",
           GrownNorm(old != nullptr ? old->attention_norm : none, hidden));
    const auto of = [&](const Matrix verifier::LayerWeights::*m) {
      return old != nullptr ? &(old->*m) : nullptr;
    };
    using L = verifier::LayerWeights;
    matrix(block + "attn_q.weight", queries, hidden, of(&L::query), Fill::kRandom);
    matrix(block + "attn_k.weight", keys, hidden, of(&L::key), Fill::kRandom);
    matrix(block + "attn_v.weight", values, hidden, of(&L::value), Fill::kRandom);
    matrix(block + "attn_output.weight", hidden, attended, of(&L::attention_output), Fill::kZero);
    vector(block + "ffn_norm.weight",
           GrownNorm(old != nullptr ? old->feed_forward_norm : none, hidden));
    if (c.experts != 0) {
      plan.push_back({.name = block + "ffn_gate_inp.weight", .rows = c.experts, .columns = hidden});
    }
    const auto matrices_of = [&](const std::vector<Matrix> verifier::LayerWeights::*m) {
      return old != nullptr ? &(old->*m) : nullptr;
    };
    feed_forward(block + "ffn_gate", c.feed_forward, hidden, matrices_of(&L::gate), Fill::kRandom);
    feed_forward(block + "ffn_up", c.feed_forward, hidden, matrices_of(&L::up), Fill::kRandom);
    feed_forward(block + "ffn_down", hidden, c.feed_forward, matrices_of(&L::down), Fill::kZero);
  }
  vector("output_norm.weight", GrownNorm(w.output_norm, hidden));
  if (!tied) matrix("output.weight", c.vocab_size, hidden, &w.output, Fill::kRandom);
  if (!w.rope_factors.empty()) vector("rope_freqs.weight", w.rope_factors);
  return plan;
}

std::string ValueBytes(const GgufValue& value) {
  const std::string bytes(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  const std::string type = GgufBytes(static_cast<std::uint32_t>(value.type));
  if (value.type == GgufValueType::kString) return type + GgufText(bytes);
  if (value.type != GgufValueType::kArray) return type + bytes;
  return type + GgufBytes(static_cast<std::uint32_t>(value.element_type)) + GgufBytes(value.count) +
         bytes;
}

std::uint32_t FileType(TensorType type) {
  switch (type) {
    case TensorType::kF16:
      return 1;
    case TensorType::kQ8_0:
      return 7;
    case TensorType::kQ4_0:
      return 2;
    default:
      return 0;
  }
}

// The part of the file before the tensors' bytes.
std::string Header(const GgufFile& small, const ModelConfig& c, TensorType type,
                   const std::vector<Tensor>& plan) {
  std::string values;
  std::uint64_t count = 0;
  std::set<std::string, std::less<>> written;
  const auto add = [&](const std::string& key, const std::string& value) {
    values += GgufText(key) + value;
    written.insert(key);
    ++count;
  };
  const auto uint32 = [&](const std::string& key, std::uint32_t value) {
    add(key, GgufBytes(static_cast<std::uint32_t>(GgufValueType::kUint32)) + GgufBytes(value));
  };
  add("general.architecture",
      GgufBytes(static_cast<std::uint32_t>(GgufValueType::kString)) + GgufText("llama"));
  uint32("general.file_type", FileType(type));
  uint32("llama.block_count", c.layers);
  uint32("llama.embedding_length", c.hidden_size);
  uint32("llama.feed_forward_length", c.feed_forward);
  if (c.experts != 0) {
    uint32("llama.expert_count", c.experts);
    uint32("llama.expert_used_count", c.experts_used);
  }
  uint32("llama.attention.head_count", c.heads);
  uint32("llama.attention.head_count_kv", c.kv_heads);
  uint32("llama.attention.key_length", c.key_length);
  uint32("llama.attention.value_length", c.value_length);
  uint32("llama.rope.dimension_count", c.rope_dimensions);
  add("llama.attention.layer_norm_rms_epsilon",
      GgufBytes(static_cast<std::uint32_t>(GgufValueType::kFloat32)) + GgufBytes(c.rms_epsilon));
  written.insert("general.alignment");  // the grown file uses the default
  for (const auto& [key, value] : small.values()) {
    if (written.count(key) == 0) add(key, ValueBytes(value));
  }
  std::string infos;
  std::uint64_t offset = 0;
  for (const Tensor& tensor : plan) {
    const bool is_vector = !tensor.vector.empty();
    const std::uint32_t dimensions = is_vector ? 1 : tensor.stacked == 0 ? 2 : 3;
    infos +=
        GgufText(tensor.name) + GgufBytes(dimensions) + GgufBytes<std::uint64_t>(tensor.columns);
    if (dimensions > 1) infos += GgufBytes<std::uint64_t>(tensor.rows);
    if (dimensions > 2) infos += GgufBytes<std::uint64_t>(tensor.stacked);
    infos += GgufBytes(static_cast<std::uint32_t>(tensor.type)) + GgufBytes(offset);
    offset += (tensor.bytes() + kAlignment - 1) / kAlignment * kAlignment;
  }
  std::string header = "GGUF" + GgufBytes<std::uint32_t>(3) +
                       GgufBytes<std::uint64_t>(plan.size()) + GgufBytes(count) + values + infos;
  header.resize((header.size() + kAlignment - 1) / kAlignment * kAlignment);
  return header;
}

void WriteTensor(const Tensor& tensor, std::uint64_t seed, std::ostream& out) {
  Random random(seed);
  std::vector<float> row;
  std::string bytes;
  for (std::size_t r = 0; r < tensor.rows * std::max<std::size_t>(1, tensor.stacked); ++r) {
    FillRow(tensor, r % tensor.rows, random, row);
    bytes.clear();
    EncodeRow(tensor.type, row, bytes);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  const std::string padding((kAlignment - tensor.bytes() % kAlignment) % kAlignment, '\0');
  out.write(padding.data(), static_cast<std::streamsize>(padding.size()));
}

}  // namespace

void EncodeRow(TensorType type, std::span<const float> values, std::string& out) {
  switch (type) {
    case TensorType::kF16:
      for (const float value : values) Append(verifier::FloatToHalf(value), out);
      return;
    case TensorType::kQ8_0:
      for (std::size_t i = 0; i < values.size(); i += kBlock) EncodeQ8_0(&values[i], out);
      return;
    case TensorType::kQ4_0:
      for (std::size_t i = 0; i < values.size(); i += kBlock) EncodeQ4_0(&values[i], out);
      return;
    default:
      out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
}

absl::Status GrowModel(const GgufFile& small, const Growth& growth, std::ostream& out) {
  ASSIGN_OR_RETURN(const ModelConfig from, verifier::ReadModelConfig(small));
  ASSIGN_OR_RETURN(const verifier::Weights weights, verifier::ReadWeights(small, from));
  const ModelConfig to = Grown(growth, from);
  RETURN_IF_ERROR(CheckGrowth(growth, from, to));
  const bool tied = small.FindTensor("output.weight") == nullptr;
  const std::vector<Tensor> plan = Plan(weights, tied, to, growth.type);
  const std::string header = Header(small, to, growth.type, plan);
  out.write(header.data(), static_cast<std::streamsize>(header.size()));
  std::uint64_t seed = growth.seed << 32;
  for (const Tensor& tensor : plan) WriteTensor(tensor, seed++, out);
  out.flush();
  if (!out) return absl::DataLossError("the grown model could not be written");
  return absl::OkStatus();
}

}  // namespace recycling::bench
