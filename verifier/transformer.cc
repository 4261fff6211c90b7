#include "verifier/transformer.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/status_macros.h"
#include "verifier/attention.h"
#include "verifier/buffer.h"
#include "verifier/kernels/dequantize.h"
#include "verifier/kernels/dot.h"
#include "verifier/kernels/float_math.h"
#include "verifier/kernels/matmul.h"
#include "verifier/kernels/silu.h"
#include "verifier/kernels/thread_pool.h"
#include "verifier/rope.h"
#include "verifier/sha256.h"

namespace recycling::verifier {
namespace {

// Changes whenever the bits of a logit may change for the same file, kernel and key-value type.
constexpr int kArithmeticVersion = 2;

using Vector = Eigen::Map<Eigen::ArrayXf>;
using ConstVector = Eigen::Map<const Eigen::ArrayXf>;

Vector AsVector(float* data, std::size_t size) { return {data, static_cast<Eigen::Index>(size)}; }
ConstVector AsVector(const float* data, std::size_t size) {
  return {data, static_cast<Eigen::Index>(size)};
}

// What a pass computes on its way. Reserved once for the largest pass, logits as they are asked
// for.
struct Activations {
  absl::Status Reserve(const ModelConfig& c, std::size_t rows) {
    RETURN_IF_ERROR(residual.Reserve(rows * c.hidden_size, "activations"));
    RETURN_IF_ERROR(normed.Reserve(rows * c.hidden_size, "activations"));
    RETURN_IF_ERROR(query.Reserve(rows * c.heads * c.key_length, "activations"));
    RETURN_IF_ERROR(key.Reserve(rows * c.kv_heads * c.key_length, "activations"));
    RETURN_IF_ERROR(value.Reserve(rows * c.kv_heads * c.value_length, "activations"));
    RETURN_IF_ERROR(attended.Reserve(rows * c.heads * c.value_length, "activations"));
    RETURN_IF_ERROR(gate.Reserve(rows * c.feed_forward, "activations"));
    return up.Reserve(rows * c.feed_forward, "activations");
  }

  Buffer<float> residual;  // [rows, hidden_size]
  Buffer<float> normed;    // [rows, hidden_size]; also what is added to residual
  Buffer<float> query;     // [rows, heads, key_length]
  Buffer<float> key;       // [rows, kv_heads, key_length]
  Buffer<float> value;     // [rows, kv_heads, value_length]
  Buffer<float> attended;  // [rows, heads, value_length]
  Buffer<float> gate;      // [rows, feed_forward]
  Buffer<float> up;        // [rows, feed_forward]
  Buffer<float> logits;    // [logit rows, vocab_size]
};

class PortableTransformer final : public Transformer {
 public:
  PortableTransformer(std::shared_ptr<const Model> model, const TransformerOptions& options)
      : model_(std::move(model)),
        limits_({.max_rows = static_cast<std::size_t>(options.max_rows),
                 .vocab_size = model_->config().vocab_size,
                 .context_length = options.context_length != 0 ? options.context_length
                                                               : model_->config().context_length,
                 .layout = KvLayout::Of(model_->config(), options.kv_type)}),
        pool_(options.threads),
        matmul_(pool_),
        instruction_set_(options.instruction_set),
        kernels_(VectorKernelsFor(instruction_set_)),
        attention_(model_->config(), pool_, instruction_set_),
        rope_(model_->config(), model_->weights().rope_factors, kernels_) {}

  absl::Status Reserve() {
    const ModelConfig& c = model_->config();
    const std::size_t attended = std::size_t{c.heads} * c.value_length;
    RETURN_IF_ERROR(
        matmul_.Reserve(std::max<std::size_t>({c.hidden_size, c.feed_forward, attended})));
    RETURN_IF_ERROR(rope_.Reserve(limits_.max_rows));
    RETURN_IF_ERROR(fresh_.Reserve(limits_.layout, limits_.max_rows));
    return act_.Reserve(c, limits_.max_rows);
  }

  absl::Status Forward(std::span<const Segment> segments,
                       const std::atomic<bool>* cancelled) override;
  absl::Status Commit(int segment, std::span<const int> path) override;

  std::span<const float> logits(int row) const override {
    return {act_.logits.data() + static_cast<std::size_t>(row) * limits_.vocab_size,
            limits_.vocab_size};
  }
  void Share(std::size_t tasks, absl::FunctionRef<void(std::size_t task)> run) override {
    pool_.Run(tasks, [&](std::size_t task, std::size_t) { run(task); });
  }
  const Model& model() const override { return *model_; }
  std::uint32_t context_length() const override { return limits_.context_length; }
  std::string kernel() const override {
    return "portable matmul, " + std::string(Name(instruction_set_));
  }
  std::string numerics_id() const override;

 private:
  void Embed();
  void AttentionBlock(std::size_t layer);
  void FeedForwardBlock(std::size_t layer);
  void Output();

  // out[r] = in[r] / rms(in[r]) * weight for rows [0, rows) of [rows, hidden_size]
  void RmsNorm(const std::vector<float>& weight, const float* in, std::size_t rows, float* out);
  // residual += normed
  void AddToResidual();

  const std::shared_ptr<const Model> model_;
  const StepLimits limits_;
  ThreadPool pool_;
  MatMul matmul_;
  const InstructionSet instruction_set_;
  const VectorKernels& kernels_;
  Attention attention_;
  Rope rope_;
  Activations act_;
  KvRows fresh_;  // keys and values of the pass's rows
  Step step_;     // the pass
  std::vector<int> commit_rows_;
};

absl::Status PortableTransformer::Forward(std::span<const Segment> segments,
                                          const std::atomic<bool>* cancelled) {
  RETURN_IF_ERROR(LayOut(segments, limits_, step_));
  absl::Status room = attention_.Prepare(step_);
  room.Update(act_.logits.Reserve(step_.logit_rows.size() * limits_.vocab_size, "logits"));
  if (!room.ok()) {
    step_.Clear();
    return room;
  }

  rope_.SetPositions(step_.positions);
  Embed();
  for (std::size_t layer = 0; layer < model_->weights().layers.size(); ++layer) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
      step_.Clear();
      return absl::CancelledError("pass: cancelled");
    }
    AttentionBlock(layer);
    FeedForwardBlock(layer);
  }
  Output();
  return absl::OkStatus();
}

void PortableTransformer::Embed() {
  const Matrix& embedding = model_->weights().embedding;
  for (std::size_t r = 0; r < step_.rows(); ++r) {
    DequantizeRow(embedding.type, embedding.Row(step_.tokens[r]), embedding.columns,
                  act_.residual.data() + r * embedding.columns);
  }
}

// residual += W_o attention(rope(W_q x), rope(W_k x), W_v x), x = norm(residual)
void PortableTransformer::AttentionBlock(std::size_t layer) {
  const LayerWeights& w = model_->weights().layers[layer];
  const std::size_t rows = step_.rows();
  RmsNorm(w.attention_norm, act_.residual.data(), rows, act_.normed.data());
  matmul_(w.query, act_.normed.data(), rows, act_.query.data());
  matmul_(w.key, act_.normed.data(), rows, act_.key.data());
  matmul_(w.value, act_.normed.data(), rows, act_.value.data());
  attention_(step_, layer, rope_, act_.query.data(), act_.key.data(), act_.value.data(), fresh_,
             act_.attended.data());
  matmul_(w.attention_output, act_.attended.data(), rows, act_.normed.data());
  AddToResidual();
}

// residual += W_down (silu(W_gate x) * W_up x), x = norm(residual)
void PortableTransformer::FeedForwardBlock(std::size_t layer) {
  const LayerWeights& w = model_->weights().layers[layer];
  const std::size_t rows = step_.rows();
  RmsNorm(w.feed_forward_norm, act_.residual.data(), rows, act_.normed.data());
  matmul_(w.gate, act_.normed.data(), rows, act_.gate.data());
  matmul_(w.up, act_.normed.data(), rows, act_.up.data());
  pool_.Run(rows, [&](std::size_t r, std::size_t) {
    SiluTimes(act_.up.data() + r * w.up.rows, w.up.rows, act_.gate.data() + r * w.up.rows);
  });
  matmul_(w.down, act_.gate.data(), rows, act_.normed.data());
  AddToResidual();
}

// logits = W_output norm(residual) of the rows that are asked for
void PortableTransformer::Output() {
  const Weights& w = model_->weights();
  const std::size_t hidden = model_->config().hidden_size;
  const std::size_t rows = step_.logit_rows.size();
  for (std::size_t i = 0; i < rows; ++i) {  // ascending, so that no row is overwritten before use
    std::memmove(act_.residual.data() + i * hidden,
                 act_.residual.data() + step_.logit_rows[i] * hidden, hidden * sizeof(float));
  }
  RmsNorm(w.output_norm, act_.residual.data(), rows, act_.normed.data());
  matmul_(w.output, act_.normed.data(), rows, act_.logits.data());
}

void PortableTransformer::RmsNorm(const std::vector<float>& weight, const float* in,
                                  std::size_t rows, float* out) {
  const std::size_t n = weight.size();
  for (std::size_t r = 0; r < rows; ++r) {
    const float* x = in + r * n;
    const float mean = Dot(x, x, n) / static_cast<float>(n);
    const float scale = 1.0F / std::sqrt(mean + model_->config().rms_epsilon);
    AsVector(out + r * n, n) = AsVector(x, n) * scale * AsVector(weight.data(), n);
  }
}

void PortableTransformer::AddToResidual() {
  const std::size_t size = step_.rows() * model_->config().hidden_size;
  AsVector(act_.residual.data(), size) += AsVector(act_.normed.data(), size);
}

absl::Status PortableTransformer::Commit(int segment, std::span<const int> path) {
  if (segment < 0 || static_cast<std::size_t>(segment) >= step_.segments.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("commit: got segment ", segment, ", expected one of ", step_.segments.size()));
  }
  StepSegment& s = step_.segments[static_cast<std::size_t>(segment)];
  if (s.committed) {
    return absl::FailedPreconditionError("commit: the segment is committed already");
  }
  if (s.kv->length() != s.prefix) {
    return absl::FailedPreconditionError(absl::StrCat("commit: got a sequence of ", s.kv->length(),
                                                      " positions, expected ", s.prefix,
                                                      " as in the pass"));
  }
  std::vector<int>& rows = commit_rows_;
  rows.clear();
  std::int32_t parent = -1;
  for (const int node : path) {
    const std::size_t row = s.first_row + static_cast<std::size_t>(std::max(node, 0));
    if (node < 0 || static_cast<std::size_t>(node) >= s.rows || step_.parents[row] != parent) {
      return absl::InvalidArgumentError(absl::StrCat(
          "commit: got row ", node, " in the path, expected a child of the one before"));
    }
    parent = static_cast<std::int32_t>(row);
    rows.push_back(parent);
  }
  RETURN_IF_ERROR(s.kv->Append(fresh_, rows));
  s.committed = true;
  return absl::OkStatus();
}

std::string PortableTransformer::numerics_id() const {
  std::string decides = absl::StrCat("recycling ", kArithmeticVersion, " ", kernel(), " ",
                                     limits_.layout.type == KvType::kF32 ? "f32" : "f16", " ",
                                     model_->file_digest(), " ");
  const std::vector<double>& frequencies = rope_.frequencies();
  decides.append(reinterpret_cast<const char*>(frequencies.data()),
                 frequencies.size() * sizeof(double));
  return Sha256Hex(std::as_bytes(std::span<const char>(decides)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transformer>> Transformer::Create(
    std::shared_ptr<const Model> model, const TransformerOptions& options) {
  constexpr int kMaxThreads = 1024;
  constexpr int kMaxRows = 65536;
  if (options.threads < 1 || options.threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads: got ", options.threads, ", expected 1 to ", kMaxThreads));
  }
  if (options.max_rows < 1 || options.max_rows > kMaxRows) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_rows: got ", options.max_rows, ", expected 1 to ", kMaxRows));
  }
  auto transformer = std::make_unique<PortableTransformer>(std::move(model), options);
  RETURN_IF_ERROR(transformer->Reserve());
  return transformer;
}

}  // namespace recycling::verifier
