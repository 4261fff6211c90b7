#include "verifier/forward/transformer.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/check_range.h"
#include "common/base/status_macros.h"
#include "verifier/forward/attention.h"
#include "verifier/forward/rope.h"
#include "verifier/forward/routing.h"
#include "verifier/kernels/array_views.h"
#include "verifier/kernels/buffer.h"
#include "verifier/kernels/dequantize.h"
#include "verifier/kernels/matmul.h"
#include "verifier/kernels/thread_pool.h"
#include "verifier/model/packed_weights.h"
#include "verifier/model/sha256.h"

namespace recycling::verifier {
namespace {

// Increase this number with every change that may change the bits of a logit for the same file,
// arithmetic and key-value type.
constexpr int kArithmeticVersion = 4;

// The intermediate results of a pass. Their memory is reserved once for the largest pass, except
// for the logits. The memory for logits grows when a pass needs more logits than any earlier pass.
struct Activations {
  absl::Status Reserve(const ModelConfig& c, std::size_t rows) {
    RETURN_IF_ERROR(residual.Reserve(rows * c.hidden_size, "activations"));
    RETURN_IF_ERROR(normed.Reserve(rows * c.hidden_size, "activations"));
    RETURN_IF_ERROR(query.Reserve(rows * c.heads * c.key_length, "activations"));
    RETURN_IF_ERROR(key.Reserve(rows * c.kv_heads * c.key_length, "activations"));
    RETURN_IF_ERROR(value.Reserve(rows * c.kv_heads * c.value_length, "activations"));
    RETURN_IF_ERROR(attended.Reserve(rows * c.heads * c.value_length, "activations"));
    const Architecture& a = c.architecture;
    if (!a.attention_post_norm.empty() || !a.feed_forward_post_norm.empty() ||
        c.residual_scale != 1 || c.experts != 0) {
      RETURN_IF_ERROR(block.Reserve(rows * c.hidden_size, "activations"));
    }
    std::size_t feed_forward_rows = rows;
    if (c.experts != 0) {
      feed_forward_rows *= c.experts_used;
      RETURN_IF_ERROR(router.Reserve(rows * c.experts, "activations"));
      RETURN_IF_ERROR(expert.Reserve(feed_forward_rows * c.hidden_size, "activations"));
    }
    RETURN_IF_ERROR(gate.Reserve(feed_forward_rows * c.feed_forward, "activations"));
    return up.Reserve(feed_forward_rows * c.feed_forward, "activations");
  }

  Buffer<float> residual;  // [rows, hidden_size]
  Buffer<float> normed;    // [rows, hidden_size]; norm(residual)
  Buffer<float> query;     // [rows, heads, key_length]
  Buffer<float> key;       // [rows, kv_heads, key_length]
  Buffer<float> value;     // [rows, kv_heads, value_length]
  Buffer<float> attended;  // [rows, heads, value_length]
  Buffer<float> block;     // [rows, hidden_size]; output of a block, to be normalized or scaled
  Buffer<float> router;    // [rows, experts]; logits of the experts
  Buffer<float> expert;    // [rows * experts_used, hidden_size]; inputs, then outputs, of experts
  Buffer<float> gate;      // [rows, feed_forward], or [rows * experts_used, feed_forward]
  Buffer<float> up;        // the same
  Buffer<float> logits;    // [logit rows, vocab_size]
};

MatMul::GateTimes GateTimesOf(Activation activation, const VectorKernels& kernels) {
  switch (activation) {
    case Activation::kSilu:
      return kernels.silu_times;
    case Activation::kGeluTanh:
      return kernels.gelu_times;
  }
  return nullptr;  // not reached: the switch has every value
}

std::span<const float> RopeFactors(const Model& model, std::uint32_t context_length) {
  return context_length > model.config().rope_scaling.original_context
             ? model.weights().long_rope_factors
             : model.weights().rope_factors;
}

std::vector<const MatMulKernel*> KernelsOf(const TransformerOptions& options) {
  if (!options.matmul_kernels.empty()) return options.matmul_kernels;
  return {&MatMulKernel::For(options.instruction_set, options.arithmetic)};
}

class CpuTransformer final : public Transformer {
 public:
  CpuTransformer(std::shared_ptr<const Model> model, const TransformerOptions& options,
                 std::unique_ptr<ThreadPool> pool)
      : model_(std::move(model)),
        limits_({.max_rows = static_cast<std::size_t>(options.max_rows),
                 .vocab_size = model_->config().vocab_size,
                 .context_length = options.context_length != 0 ? options.context_length
                                                               : model_->config().context_length,
                 .layout = KvLayout::Of(model_->config(), options.kv_type)}),
        pool_(std::move(pool)),
        matmul_kernel_(*KernelsOf(options).front()),
        kernels_(VectorKernelsFor(options.instruction_set)),
        gate_times_(GateTimesOf(model_->config().architecture.activation, kernels_)),
        matmul_(KernelsOf(options), *pool_),
        attention_(model_->config(), *pool_, options.instruction_set),
        rope_(model_->config(), RopeFactors(*model_, limits_.context_length), kernels_),
        window_rope_(Rope::OfWindow(model_->config(), RopeFactors(*model_, limits_.context_length),
                                    kernels_)),
        routing_(model_->config().experts, model_->config().experts_used) {
    for (const MatMulKernel* kernel : KernelsOf(options))
      kernel_names_.emplace_back(kernel->name());
  }

  // Packs the weights and reserves the memory of a pass.
  absl::Status Prepare(const PackingProgress& progress) {
    ASSIGN_OR_RETURN(weights_, PackedWeights::Pack(*model_, matmul_kernel_, *pool_, progress));
    const ModelConfig& c = model_->config();
    const std::size_t attended = std::size_t{c.heads} * c.value_length;
    RETURN_IF_ERROR(matmul_.Reserve(
        limits_.max_rows, std::max<std::size_t>({c.hidden_size, c.feed_forward, attended}),
        limits_.max_rows));
    if (c.experts != 0) {
      RETURN_IF_ERROR(matmul_.Reserve(limits_.max_rows * c.experts_used,
                                      std::max(c.hidden_size, c.feed_forward), limits_.max_rows));
    }
    RETURN_IF_ERROR(rope_.Reserve(limits_.max_rows));
    if (c.window != 0) RETURN_IF_ERROR(window_rope_.Reserve(limits_.max_rows));
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
    pool_->Run(tasks, [&](std::size_t task, std::size_t) { run(task); });
  }
  const Model& model() const override { return *model_; }
  std::uint32_t context_length() const override { return limits_.context_length; }
  const std::vector<std::string>& kernels() const override { return kernel_names_; }
  void UseKernels(KernelTable table) override { matmul_.UseKernels(std::move(table)); }
  std::string numerics_id() const override;

 private:
  void Embed();
  // `needed_only`: for the keys and values it uses all rows, and for the rest it keeps the needed
  // rows alone.
  void AttentionBlock(std::size_t layer, bool needed_only);
  void FeedForwardBlock(std::size_t layer);
  void MixtureBlock(std::size_t layer);
  void Output();

  // Removes all rows of the residual but those with these indices, which ascend.
  void KeepRows(std::span<const std::size_t> indices);
  // Sets the input of the next products to the rows of the residual. Normalizes these rows unless
  // `norm` is empty. `weights` are the matrices of these products.
  void SetNormedInput(const std::vector<float>& norm,
                      std::initializer_list<const PackedMatrix*> weights);
  // Adds `bias` to each of `count` rows. Does nothing if `bias` is empty.
  static void AddBias(const std::vector<float>& bias, std::size_t count, float* rows);
  // Normalizes each run of norm.size() numbers in `rows`, [count, width]. Does nothing if `norm` is
  // empty.
  void NormalizeRuns(const std::vector<float>& norm, std::size_t count, std::size_t width,
                     float* rows);
  // Adds the product of `weights` and the input to the residual. If `post_norm` is not empty,
  // normalizes the product first. Then multiplies it by the residual scale.
  void AddToResidual(const PackedMatrix& weights, const std::vector<float>& post_norm);
  // Does the same with act_.block in place of the product.
  void AddBlockToResidual(const std::vector<float>& post_norm);

  const std::shared_ptr<const Model> model_;
  const StepLimits limits_;
  const std::unique_ptr<ThreadPool> pool_;
  const MatMulKernel& matmul_kernel_;  // packs the weights for all kernels
  std::vector<std::string> kernel_names_;
  const VectorKernels& kernels_;
  const MatMul::GateTimes gate_times_;
  MatMul matmul_;
  std::unique_ptr<const PackedWeights> weights_;
  Attention attention_;
  Rope rope_;
  Rope window_rope_;  // of layers with a window; not used if there are none
  Routing routing_;   // of the current layer; not used if there are no experts
  Activations act_;
  KvRows fresh_;          // keys and values of the rows of the pass
  Step step_;             // the current pass
  std::size_t rows_ = 0;  // rows of the residual
  std::vector<int> commit_rows_;
};

absl::Status CpuTransformer::Forward(std::span<const Segment> segments,
                                     const std::atomic<bool>* cancelled) {
  RETURN_IF_ERROR(LayOut(segments, limits_, step_));
  absl::Status room = attention_.Prepare(step_);
  room.Update(act_.logits.Reserve(step_.logit_rows.size() * limits_.vocab_size, "logits"));
  if (!room.ok()) {
    step_.Clear();
    return room;
  }

  rope_.SetPositions(step_.positions);
  if (model_->config().window != 0) window_rope_.SetPositions(step_.positions);
  Embed();
  rows_ = step_.rows();
  const std::size_t layers = model_->weights().layers.size();
  for (std::size_t layer = 0; layer < layers; ++layer) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed)) {
      step_.Clear();
      return absl::CancelledError("pass: cancelled");
    }
    const bool needed_only = layer + 1 == layers && step_.needed_rows.size() < rows_;
    if (needed_only) room = attention_.Prepare(step_, needed_only);
    if (!room.ok()) {
      step_.Clear();
      return room;
    }
    AttentionBlock(layer, needed_only);
    FeedForwardBlock(layer);
  }
  Output();
  return absl::OkStatus();
}

void CpuTransformer::Embed() {
  const Matrix& embedding = model_->weights().embedding;
  for (std::size_t r = 0; r < step_.rows(); ++r) {
    DequantizeRow(embedding.type, embedding.Row(step_.tokens[r]), embedding.columns,
                  act_.residual.data() + r * embedding.columns);
  }
  if (const float scale = model_->config().embedding_scale; scale != 1) {
    AsRow(act_.residual.data(), step_.rows() * embedding.columns) *= scale;
  }
}

// residual += scale post_norm(W_o attention(rope(norm(q)), rope(norm(k)), v)), q = W_q x + b_q and
// so on, x = norm(residual). Norms and biases that the architecture does not have are left out.
void CpuTransformer::AttentionBlock(std::size_t layer, bool needed_only) {
  const PackedWeights::Layer& w = weights_->layer(layer);
  const LayerWeights& vectors = model_->weights().layers[layer];
  if (needed_only) {
    SetNormedInput(vectors.attention_norm, {&w.key, &w.value});
    matmul_.Multiply({{&w.key, act_.key.data()}, {&w.value, act_.value.data()}});
    KeepRows(step_.needed_rows);
    SetNormedInput(vectors.attention_norm, {&w.query});
    matmul_.Multiply({{&w.query, act_.query.data()}});
  } else {
    SetNormedInput(vectors.attention_norm, {&w.query, &w.key, &w.value});
    matmul_.Multiply(
        {{&w.query, act_.query.data()}, {&w.key, act_.key.data()}, {&w.value, act_.value.data()}});
  }
  AddBias(vectors.query_bias, rows_, act_.query.data());
  AddBias(vectors.key_bias, step_.rows(), act_.key.data());
  AddBias(vectors.value_bias, step_.rows(), act_.value.data());
  NormalizeRuns(vectors.query_norm, rows_, w.query.rows, act_.query.data());
  NormalizeRuns(vectors.key_norm, step_.rows(), w.key.rows, act_.key.data());
  const Rope& rope = model_->config().WindowOf(layer) != 0 ? window_rope_ : rope_;
  attention_(step_, layer, rope, act_.query.data(), act_.key.data(), act_.value.data(), fresh_,
             act_.attended.data());
  matmul_.SetInput(rows_, {&w.attention_output}, act_.attended.data());
  AddToResidual(w.attention_output, vectors.attention_post_norm);
}

// residual += scale post_norm(W_down (activation(W_gate x) * W_up x)), x = norm(residual)
void CpuTransformer::FeedForwardBlock(std::size_t layer) {
  if (model_->config().experts != 0) return MixtureBlock(layer);
  const PackedWeights::Layer& w = weights_->layer(layer);
  const LayerWeights& vectors = model_->weights().layers[layer];
  const PackedMatrix& gate = w.gate.front();
  const PackedMatrix& up = w.up.front();
  const PackedMatrix& down = w.down.front();
  SetNormedInput(vectors.feed_forward_norm, {&gate, &up});
  matmul_.MultiplyGated({&gate, act_.gate.data()}, {&up, act_.up.data()}, gate_times_);
  matmul_.SetInput(rows_, {&down}, act_.gate.data());
  AddToResidual(down, vectors.feed_forward_post_norm);
}

// The same with the sum of the blocks of the row's experts, each times its weight. The largest
// weight is added first.
void CpuTransformer::MixtureBlock(std::size_t layer) {
  const PackedWeights::Layer& w = weights_->layer(layer);
  const LayerWeights& vectors = model_->weights().layers[layer];
  const std::size_t hidden = model_->config().hidden_size;
  const std::size_t experts = model_->config().experts;
  const float* const input =
      vectors.feed_forward_norm.empty() ? act_.residual.data() : act_.normed.data();
  SetNormedInput(vectors.feed_forward_norm, {&w.router});
  matmul_.Multiply({{&w.router, act_.router.data()}});
  routing_.Resize(rows_);
  pool_->Run(rows_, [&](std::size_t r, std::size_t) {
    routing_.Choose(r, act_.router.data() + r * experts);
  });
  routing_.Group();
  const std::span<const std::size_t> rows = routing_.rows();
  pool_->Run(rows.size(), [&](std::size_t use, std::size_t) {
    AsRow(act_.expert.data() + use * hidden, hidden) = AsRow(input + rows[use] * hidden, hidden);
  });
  matmul_.SetInput(routing_.groups(), {&w.gate.front(), &w.up.front()}, act_.expert.data());
  matmul_.MultiplyGated({w.gate.data(), act_.gate.data()}, {w.up.data(), act_.up.data()},
                        gate_times_);
  matmul_.SetInput(routing_.groups(), {&w.down.front()}, act_.gate.data());
  matmul_.Multiply({{w.down.data(), act_.expert.data()}});
  pool_->Run(rows_, [&](std::size_t r, std::size_t) {
    RowView<float> sum = AsRow(act_.block.data() + r * hidden, hidden);
    sum.setZero();
    for (const Routing::Choice& choice : routing_.ChoicesOf(r)) {
      sum += choice.weight * AsRow(act_.expert.data() + choice.use * hidden, hidden);
    }
  });
  AddBlockToResidual(vectors.feed_forward_post_norm);
}

// logits = W_output norm(residual) / logit_divisor, for the logit rows. Then caps the logits if the
// model has a soft cap.
void CpuTransformer::Output() {
  KeepRows(step_.logit_rows);
  SetNormedInput(model_->weights().output_norm, {&weights_->output()});
  matmul_.Multiply({{&weights_->output(), act_.logits.data()}});
  if (const float divisor = model_->config().logit_divisor; divisor != 1) {
    AsRow(act_.logits.data(), rows_ * limits_.vocab_size) /= divisor;
  }
  if (const float cap = model_->config().logit_soft_cap; cap != 0) {
    constexpr std::size_t kTaskLogits = 16384;
    const std::size_t logits = rows_ * limits_.vocab_size;
    pool_->Run((logits + kTaskLogits - 1) / kTaskLogits, [&](std::size_t task, std::size_t) {
      const std::size_t begin = task * kTaskLogits;
      kernels_.soft_cap(cap, std::min(kTaskLogits, logits - begin), act_.logits.data() + begin);
    });
  }
}

void CpuTransformer::KeepRows(std::span<const std::size_t> indices) {
  const std::size_t hidden = model_->config().hidden_size;
  rows_ = indices.size();
  for (std::size_t i = 0; i < rows_; ++i) {  // ascending, so that no row is overwritten before use
    if (indices[i] == i) continue;
    AsRow(act_.residual.data() + i * hidden, hidden) =
        AsRow(act_.residual.data() + indices[i] * hidden, hidden);
  }
}

void CpuTransformer::SetNormedInput(const std::vector<float>& norm,
                                    std::initializer_list<const PackedMatrix*> weights) {
  if (norm.empty()) return matmul_.SetInput(rows_, weights, act_.residual.data());
  const std::size_t hidden = model_->config().hidden_size;
  pool_->Run(rows_, [&](std::size_t r, std::size_t) {
    kernels_.rms_norm(act_.residual.data() + r * hidden, norm.data(), hidden,
                      model_->config().rms_epsilon, act_.normed.data() + r * hidden);
  });
  matmul_.SetInput(rows_, weights, act_.normed.data());
}

void CpuTransformer::AddBias(const std::vector<float>& bias, std::size_t count, float* rows) {
  if (bias.empty()) return;
  AsRows(rows, count, bias.size()).rowwise() += AsRow(bias.data(), bias.size());
}

void CpuTransformer::NormalizeRuns(const std::vector<float>& norm, std::size_t count,
                                   std::size_t width, float* rows) {
  if (norm.empty()) return;
  pool_->Run(count, [&](std::size_t r, std::size_t) {
    for (float* run = rows + r * width; run < rows + (r + 1) * width; run += norm.size()) {
      kernels_.rms_norm(run, norm.data(), norm.size(), model_->config().rms_epsilon, run);
    }
  });
}

void CpuTransformer::AddToResidual(const PackedMatrix& weights,
                                   const std::vector<float>& post_norm) {
  const float scale = model_->config().residual_scale;
  if (post_norm.empty() && scale == 1) {
    return matmul_.MultiplyAdd({&weights, act_.residual.data()});
  }
  matmul_.Multiply({{&weights, act_.block.data()}});
  AddBlockToResidual(post_norm);
}

void CpuTransformer::AddBlockToResidual(const std::vector<float>& post_norm) {
  const float scale = model_->config().residual_scale;
  const std::size_t hidden = model_->config().hidden_size;
  NormalizeRuns(post_norm, rows_, hidden, act_.block.data());
  pool_->Run(rows_, [&](std::size_t r, std::size_t) {
    AsRow(act_.residual.data() + r * hidden, hidden) +=
        scale * AsRow(act_.block.data() + r * hidden, hidden);
  });
}

absl::Status CpuTransformer::Commit(int segment, std::span<const int> path) {
  if (segment < 0 || static_cast<std::size_t>(segment) >= step_.segments.size()) {
    return absl::InvalidArgumentError(absl::StrCat("commit: got segment ", segment,
                                                   ", expected less than ", step_.segments.size()));
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
          "commit: got row ", node, " in the path, expected a child of the row before it"));
    }
    parent = static_cast<std::int32_t>(row);
    rows.push_back(parent);
  }
  RETURN_IF_ERROR(s.kv->Append(fresh_, rows));
  s.committed = true;
  return absl::OkStatus();
}

std::string CpuTransformer::numerics_id() const {
  std::string decides = absl::StrCat(
      "recycling ", kArithmeticVersion, " ", std::string(matmul_kernel_.arithmetic()), " ",
      limits_.layout.type == KvType::kF32 ? "f32" : "f16", " ", model_->file_digest(), " ");
  const auto append = [&](const std::vector<double>& frequencies) {
    decides.append(reinterpret_cast<const char*>(frequencies.data()),
                   frequencies.size() * sizeof(double));
  };
  append(rope_.frequencies());
  if (model_->config().window != 0) append(window_rope_.frequencies());
  if (rope_.magnitude() != 1) {
    absl::StrAppend(&decides, absl::Hex(std::bit_cast<std::uint64_t>(rope_.magnitude())));
  }
  if (const ModelConfig& config = model_->config(); config.temperature_scale != 0) {
    constexpr std::uint32_t kContexts = 64;  // more than any known model serves
    for (std::uint32_t i = 0; i < kContexts; ++i) {
      const std::uint32_t position = i * config.rope_scaling.original_context;
      absl::StrAppend(&decides, " ",
                      absl::Hex(std::bit_cast<std::uint32_t>(attention_.Temperature(position))));
    }
  }
  return Sha256Hex(std::as_bytes(std::span<const char>(decides)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transformer>> Transformer::Create(
    std::shared_ptr<const Model> model, const TransformerOptions& options) {
  constexpr int kMaxThreads = 1024;
  constexpr int kMaxRows = 65536;
  RETURN_IF_ERROR(CheckRange("threads", options.threads, 1, kMaxThreads));
  RETURN_IF_ERROR(CheckRange("max_rows", options.max_rows, 1, kMaxRows));
  if (!Supports(options.instruction_set)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "instruction set: got ", std::string(Name(options.instruction_set)), ", expected at most ",
        std::string(Name(BestInstructionSet())), ", the best that this machine can run"));
  }
  for (const MatMulKernel* kernel : options.matmul_kernels) {
    const MatMulKernel& first = *options.matmul_kernels.front();
    if (kernel->arithmetic() == first.arithmetic() && kernel->packs() == first.packs()) continue;
    return absl::InvalidArgumentError(absl::StrCat("kernels: got ", std::string(first.name()),
                                                   " and ", std::string(kernel->name()),
                                                   ", expected kernels of one arithmetic"));
  }
  ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> pool, ThreadPool::Create(options.threads));
  auto transformer = std::make_unique<CpuTransformer>(std::move(model), options, std::move(pool));
  RETURN_IF_ERROR(transformer->Prepare(options.packing_progress));
  return transformer;
}

}  // namespace recycling::verifier
