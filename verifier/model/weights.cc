#include "verifier/model/weights.h"

#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/status_macros.h"
#include "verifier/kernels/dequantize.h"

namespace recycling::verifier {
namespace {

// The whole tensor as a matrix.
Matrix MatrixOf(const GgufTensor& tensor, std::uint64_t rows, std::uint64_t columns) {
  return {.type = tensor.type->type,
          .rows = rows,
          .columns = columns,
          .row_bytes = tensor.bytes.size() / rows,
          .data = tensor.bytes.data()};
}

// Rows [first, first + rows) of `matrix`.
Matrix RowsOf(const Matrix& matrix, std::uint64_t first, std::uint64_t rows) {
  Matrix part = matrix;
  part.rows = rows;
  part.data = matrix.Row(first);
  return part;
}

// Reads tensors of a file by name, and records which tensors it has read.
class TensorReader {
 public:
  explicit TensorReader(const GgufFile& file) : file_(file) {}

  bool Has(const std::string& name) const { return file_.FindTensor(name) != nullptr; }

  absl::StatusOr<Matrix> ReadMatrix(const std::string& name, std::uint64_t rows,
                                    std::uint64_t columns) {
    ASSIGN_OR_RETURN(const GgufTensor* tensor, Take(name, {columns, rows}));
    return MatrixOf(*tensor, rows, columns);
  }

  // Reads a tensor that has `count` matrices of the same shape, one after the other.
  absl::StatusOr<std::vector<Matrix>> ReadMatrices(const std::string& name, std::uint64_t count,
                                                   std::uint64_t rows, std::uint64_t columns) {
    ASSIGN_OR_RETURN(const GgufTensor* tensor, Take(name, {columns, rows, count}));
    const Matrix all = MatrixOf(*tensor, count * rows, columns);
    std::vector<Matrix> matrices;
    for (std::size_t i = 0; i < count; ++i) matrices.push_back(RowsOf(all, i * rows, rows));
    return matrices;
  }

  absl::StatusOr<std::vector<float>> ReadVector(const std::string& name, std::uint64_t size) {
    ASSIGN_OR_RETURN(const GgufTensor* tensor, Take(name, {size}));
    std::vector<float> values(size);
    DequantizeRow(tensor->type->type, tensor->bytes.data(), size, values.data());
    return values;
  }

  // Refuses tensors that nobody has read, because such a tensor would change the result of the
  // model.
  absl::Status CheckAllTaken(const Architecture& architecture) const {
    for (const auto& [name, tensor] : file_.tensors()) {
      if (taken_.count(name) == 0) {
        return absl::UnimplementedError(absl::StrCat("tensor \"", absl::CEscape(name),
                                                     "\" is not part of architecture \"",
                                                     std::string(architecture.name), "\""));
      }
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<const GgufTensor*> Take(const std::string& name,
                                         const std::vector<std::uint64_t>& shape) {
    const GgufTensor* tensor = file_.FindTensor(name);
    if (tensor == nullptr) {
      return absl::DataLossError(absl::StrCat("tensor ", name, " is absent, expected shape [",
                                              absl::StrJoin(shape, ", "), "]"));
    }
    if (tensor->shape != shape) {
      return absl::DataLossError(absl::StrCat("tensor ", name, ": got shape [",
                                              absl::StrJoin(tensor->shape, ", "), "], expected [",
                                              absl::StrJoin(shape, ", "), "]"));
    }
    if (!tensor->type->supported) {
      return absl::UnimplementedError(
          absl::StrCat("tensor ", name, " has type ", std::string(tensor->type->name),
                       ", which is not supported; expected ", SupportedTensorTypes()));
    }
    taken_.insert(name);
    return tensor;
  }

  const GgufFile& file_;
  std::set<std::string> taken_;
};

// Reads the matrices of the feed-forward block of a layer. `b` is the prefix of their names.
absl::Status ReadFeedForward(TensorReader& reader, const ModelConfig& config, const std::string& b,
                             LayerWeights& w) {
  const std::uint64_t hidden = config.hidden_size;
  const std::uint64_t inner = config.feed_forward;
  if (config.experts != 0) {
    const std::uint64_t experts = config.experts;
    ASSIGN_OR_RETURN(w.router, reader.ReadMatrix(b + "ffn_gate_inp.weight", experts, hidden));
    const auto read = [&](const char* name, std::uint64_t rows, std::uint64_t columns) {
      return reader.ReadMatrices(b + name, experts, rows, columns);
    };
    ASSIGN_OR_RETURN(w.gate, read("ffn_gate_exps.weight", inner, hidden));
    ASSIGN_OR_RETURN(w.up, read("ffn_up_exps.weight", inner, hidden));
    ASSIGN_OR_RETURN(w.down, read("ffn_down_exps.weight", hidden, inner));
    return absl::OkStatus();
  }
  if (config.architecture.fused_projections) {
    ASSIGN_OR_RETURN(const Matrix both, reader.ReadMatrix(b + "ffn_up.weight", 2 * inner, hidden));
    w.gate = {RowsOf(both, 0, inner)};
    w.up = {RowsOf(both, inner, inner)};
  } else {
    ASSIGN_OR_RETURN(const Matrix gate, reader.ReadMatrix(b + "ffn_gate.weight", inner, hidden));
    ASSIGN_OR_RETURN(const Matrix up, reader.ReadMatrix(b + "ffn_up.weight", inner, hidden));
    w.gate = {gate};
    w.up = {up};
  }
  ASSIGN_OR_RETURN(const Matrix down, reader.ReadMatrix(b + "ffn_down.weight", hidden, inner));
  w.down = {down};
  return absl::OkStatus();
}

absl::StatusOr<LayerWeights> ReadLayer(TensorReader& reader, const ModelConfig& config,
                                       std::uint32_t layer) {
  const std::uint64_t hidden = config.hidden_size;
  const std::uint64_t queries = std::uint64_t{config.heads} * config.key_length;
  const std::uint64_t keys = std::uint64_t{config.kv_heads} * config.key_length;
  const std::uint64_t values = std::uint64_t{config.kv_heads} * config.value_length;
  const std::uint64_t attended = std::uint64_t{config.heads} * config.value_length;
  const Architecture& a = config.architecture;
  const std::string b = absl::StrCat("blk.", layer, ".");
  const auto read_norm = [&](std::string_view name) -> absl::StatusOr<std::vector<float>> {
    if (name.empty()) return std::vector<float>();
    return reader.ReadVector(absl::StrCat(b, std::string(name), ".weight"), hidden);
  };
  LayerWeights w;
  ASSIGN_OR_RETURN(w.attention_norm, read_norm(a.attention_norm));
  if (a.fused_projections) {
    ASSIGN_OR_RETURN(const Matrix all,
                     reader.ReadMatrix(b + "attn_qkv.weight", queries + keys + values, hidden));
    w.query = RowsOf(all, 0, queries);
    w.key = RowsOf(all, queries, keys);
    w.value = RowsOf(all, queries + keys, values);
  } else {
    ASSIGN_OR_RETURN(w.query, reader.ReadMatrix(b + "attn_q.weight", queries, hidden));
    ASSIGN_OR_RETURN(w.key, reader.ReadMatrix(b + "attn_k.weight", keys, hidden));
    ASSIGN_OR_RETURN(w.value, reader.ReadMatrix(b + "attn_v.weight", values, hidden));
  }
  if (a.query_key_value_bias) {
    ASSIGN_OR_RETURN(w.query_bias, reader.ReadVector(b + "attn_q.bias", queries));
    ASSIGN_OR_RETURN(w.key_bias, reader.ReadVector(b + "attn_k.bias", keys));
    ASSIGN_OR_RETURN(w.value_bias, reader.ReadVector(b + "attn_v.bias", values));
  }
  if (a.query_key_norm != QueryKeyNorm::kNone) {
    const bool head = a.query_key_norm == QueryKeyNorm::kHead;
    const std::uint64_t length = config.key_length;
    ASSIGN_OR_RETURN(w.query_norm,
                     reader.ReadVector(b + "attn_q_norm.weight", head ? length : queries));
    ASSIGN_OR_RETURN(w.key_norm, reader.ReadVector(b + "attn_k_norm.weight", head ? length : keys));
  }
  ASSIGN_OR_RETURN(w.attention_output,
                   reader.ReadMatrix(b + "attn_output.weight", hidden, attended));
  ASSIGN_OR_RETURN(w.attention_post_norm, read_norm(a.attention_post_norm));
  ASSIGN_OR_RETURN(w.feed_forward_norm, read_norm(a.feed_forward_norm));
  RETURN_IF_ERROR(ReadFeedForward(reader, config, b, w));
  ASSIGN_OR_RETURN(w.feed_forward_post_norm, read_norm(a.feed_forward_post_norm));
  return w;
}

}  // namespace

absl::StatusOr<Weights> ReadWeights(const GgufFile& file, const ModelConfig& config) {
  TensorReader reader(file);
  Weights weights;
  ASSIGN_OR_RETURN(weights.embedding,
                   reader.ReadMatrix("token_embd.weight", config.vocab_size, config.hidden_size));
  for (std::uint32_t layer = 0; layer < config.layers; ++layer) {
    ASSIGN_OR_RETURN(LayerWeights read, ReadLayer(reader, config, layer));
    weights.layers.push_back(std::move(read));
  }
  ASSIGN_OR_RETURN(weights.output_norm,
                   reader.ReadVector("output_norm.weight", config.hidden_size));
  weights.output = weights.embedding;
  if (reader.Has("output.weight")) {
    ASSIGN_OR_RETURN(weights.output,
                     reader.ReadMatrix("output.weight", config.vocab_size, config.hidden_size));
  }
  const auto read_factors = [&](const char* name) -> absl::StatusOr<std::vector<float>> {
    if (!reader.Has(name)) return std::vector<float>();
    ASSIGN_OR_RETURN(std::vector<float> factors,
                     reader.ReadVector(name, config.rope_dimensions / 2));
    for (const float factor : factors) {
      if (std::isfinite(factor) && factor > 0) continue;
      return absl::DataLossError(
          absl::StrCat("tensor ", name, ": got ", factor, ", expected numbers above 0"));
    }
    return factors;
  };
  if (config.architecture.frequency_factors == FrequencyFactors::kShortOrLong) {
    ASSIGN_OR_RETURN(weights.rope_factors, read_factors("rope_factors_short.weight"));
    ASSIGN_OR_RETURN(weights.long_rope_factors, read_factors("rope_factors_long.weight"));
  } else {
    ASSIGN_OR_RETURN(weights.rope_factors, read_factors("rope_freqs.weight"));
    weights.long_rope_factors = weights.rope_factors;
  }
  RETURN_IF_ERROR(reader.CheckAllTaken(config.architecture));
  return weights;
}

}  // namespace recycling::verifier
