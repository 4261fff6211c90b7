// Measures the verifier's thread pool, kernels and sampling.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "tests/bench/fma_rate.h"
#include "verifier/forward/attention.h"
#include "verifier/kernels/buffer.h"
#include "verifier/kernels/matmul_kernel.h"
#include "verifier/kernels/thread_pool.h"
#include "verifier/sampling/sampler.h"
#include "verifier/sampling/top_k.h"

namespace recycling::verifier {
namespace {

// A loop of one empty task for each thread. This is the cost of each barrier in a pass.
void BM_Barrier(benchmark::State& state) {
  const auto pool = ThreadPool::Create(static_cast<int>(state.range(0)));
  if (!pool.ok()) return;
  for (auto _ : state) {
    (*pool)->Run(static_cast<std::size_t>(state.range(0)),
                 [](std::size_t task, std::size_t) { benchmark::DoNotOptimize(task); });
  }
}
BENCHMARK(BM_Barrier)->ArgName("threads")->Arg(1)->Arg(2)->Arg(4)->UseRealTime();

// The same with about 2 us of work in each task, so that all threads take part.
void BM_BarrierWithWork(benchmark::State& state) {
  const auto pool = ThreadPool::Create(static_cast<int>(state.range(0)));
  if (!pool.ok()) return;
  for (auto _ : state) {
    (*pool)->Run(static_cast<std::size_t>(state.range(0)), [](std::size_t task, std::size_t) {
      float x = static_cast<float>(task);
      for (int i = 0; i < 1000; ++i) benchmark::DoNotOptimize(x = x * 0.5F + 1.0F);
    });
  }
}
BENCHMARK(BM_BarrierWithWork)->ArgName("threads")->Arg(1)->Arg(2)->Arg(4)->UseRealTime();

// The same after the caller has worked alone for a while, as between the parallel parts of a pass.
// Threads that went to sleep meanwhile must be woken. The result includes the time of the gap.
void BM_BarrierAfterGap(benchmark::State& state) {
  const auto pool = ThreadPool::Create(2);
  if (!pool.ok()) return;
  for (auto _ : state) {
    for (int i = 0; i < state.range(0); ++i) benchmark::DoNotOptimize(i);
    (*pool)->Run(2, [](std::size_t task, std::size_t) {
      float x = static_cast<float>(task);
      for (int i = 0; i < 1000; ++i) benchmark::DoNotOptimize(x = x * 0.5F + 1.0F);
    });
  }
}
BENCHMARK(BM_BarrierAfterGap)->ArgName("loops")->Arg(100)->Arg(10000)->Arg(30000)->UseRealTime();

// A [5120, 1920] projection with packed weights, computed by one thread. Each iteration uses the
// same weights, so a large enough cache holds them. The counter is multiply-adds per second.
void BM_MatMul(benchmark::State& state) {
  const auto set = static_cast<InstructionSet>(state.range(0));
  if (!Supports(set)) {
    state.SkipWithError("not supported here");
    return;
  }
  const MatMulKernel& kernel = MatMulKernel::For(set);
  const auto type = static_cast<TensorType>(state.range(1));
  const auto rows = static_cast<std::size_t>(state.range(2));
  constexpr std::size_t kOutputs = 5120;
  constexpr std::size_t kColumns = 1920;
  const TensorTypeInfo& info = InfoOf(type);
  const std::size_t row_bytes = kColumns / info.block_values * info.block_bytes;
  const std::vector<std::byte> file(kOutputs * row_bytes);  // zeros take as long as other values
  const Matrix matrix = {type, kOutputs, kColumns, row_bytes, file.data()};
  PackedMatrix packed = kernel.Layout(matrix);
  Buffer<std::byte> weights, inputs, scratch;
  const InputFormat format = kernel.FormatFor(type);
  if (!weights.Reserve(packed.bytes(), "weights").ok() ||
      !inputs.Reserve(kernel.InputBytes(format, rows, kColumns), "inputs").ok() ||
      !scratch.Reserve(kernel.ScratchBytes(rows, kColumns), "scratch").ok()) {
    state.SkipWithError("no memory");
    return;
  }
  if (kernel.packs()) {
    for (std::size_t p = 0; p < packed.panels(); ++p) {
      kernel.PackPanel(matrix, p, weights.data() + p * packed.panel_bytes);
    }
    packed.data = weights.data();
  }
  const std::vector<float> row(kColumns, 0.5F);
  for (std::size_t r = 0; r < rows; ++r) {
    kernel.Prepare(format, row.data(), {kColumns, 0, kColumns, r, rows}, inputs.data());
  }
  std::vector<float> out(rows * kOutputs);
  for (auto _ : state) {
    kernel.Multiply(packed, 0, packed.panels(), inputs.data(), rows, false, out.data(),
                    scratch.data());
    benchmark::ClobberMemory();
  }
  state.SetLabel(std::string(kernel.name()) + ", " + std::string(info.name));
  state.counters["macs"] = benchmark::Counter(static_cast<double>(rows * kOutputs * kColumns),
                                              benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(BM_MatMul)
    ->ArgNames({"set", "type", "rows"})
    ->ArgsProduct(
        {{static_cast<int>(InstructionSet::kPortable), static_cast<int>(InstructionSet::kAvx2),
          static_cast<int>(InstructionSet::kAvx512Vnni), static_cast<int>(InstructionSet::kAmx)},
         {static_cast<int>(TensorType::kQ8_0), static_cast<int>(TensorType::kQ4_0)},
         {1, 8, 16, 80}})
    ->Unit(benchmark::kMicrosecond);

// The attention of one layer of the 0.9 B model. A tree of `rows` rows, all children of the root,
// follows `positions` cached positions. Keys and values are F16; two threads work. The counter flop
// counts a multiply-add as two. The counter bytes counts each key and each value once. The counter
// of_bare_fma is flop over what the threads reach with multiply-adds alone, measured in this run.
void BM_Attention(benchmark::State& state) {
  const auto set = static_cast<InstructionSet>(state.range(0));
  if (!Supports(set)) {
    state.SkipWithError("not supported here");
    return;
  }
  const auto rows = static_cast<std::size_t>(state.range(1));
  const auto positions = static_cast<std::size_t>(state.range(2));
  ModelConfig config;
  config.layers = 1;
  config.heads = 30;
  config.kv_heads = 10;
  config.key_length = config.value_length = config.rope_dimensions = 64;
  config.rope_freq_base = 10000;
  const KvLayout layout = KvLayout::Of(config, KvType::kF16);
  const VectorKernels& kernels = VectorKernelsFor(set);
  const auto cache =
      *KvCache::Create(config, KvType::kF16, static_cast<std::uint32_t>(positions), 1);
  const auto kv = *cache->Open();
  const std::vector<float> numbers(64, 0.25F);
  KvRows fresh;
  if (!fresh.Reserve(layout, std::max(rows, positions)).ok()) return;
  for (std::size_t r = 0; r < positions; ++r) {
    for (std::size_t h = 0; h < config.kv_heads; ++h) {
      fresh.Store(kernels, 0, h, r, numbers.data(), numbers.data());
    }
  }
  std::vector<int> all(positions);
  std::iota(all.begin(), all.end(), 0);
  if (!kv->Append(fresh, all).ok()) return;
  Step step;
  step.segments = {{.kv = kv.get(),
                    .prefix = static_cast<std::uint32_t>(positions),
                    .first_row = 0,
                    .rows = rows}};
  step.tokens.assign(rows, 0);
  step.parents.assign(rows, 0);
  step.parents[0] = -1;
  step.positions.assign(rows, static_cast<std::uint32_t>(positions + 1));
  step.positions[0] = static_cast<std::uint32_t>(positions);
  const auto pool = ThreadPool::Create(2);
  if (!pool.ok()) return;
  Attention attention(config, **pool, set);
  Rope rope(config, {}, kernels);
  if (!attention.Prepare(step).ok() || !rope.Reserve(rows).ok()) return;
  rope.SetPositions(step.positions);
  std::vector<float> query(rows * 30 * 64, 0.5F);
  std::vector<float> key(rows * 10 * 64, 0.25F);
  const std::vector<float> value(rows * 10 * 64, 0.25F);
  std::vector<float> out(rows * 30 * 64);
  const double bare = bench::FmaRate(**pool, set);
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) {
    attention(step, 0, rope, query.data(), key.data(), value.data(), fresh, out.data());
    benchmark::ClobberMemory();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double scores = 30.0 * static_cast<double>(rows * positions);
  if (bare > 0) {
    state.counters["of_bare_fma"] =
        scores * 2 * 128 * static_cast<double>(state.iterations()) / took.count() / bare;
  }
  state.counters["flop"] =
      benchmark::Counter(scores * 2 * 128, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["bytes"] =
      benchmark::Counter(static_cast<double>(positions * layout.token_bytes()),
                         benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(BM_Attention)
    ->ArgNames({"set", "rows", "positions"})
    ->ArgsProduct({{static_cast<int>(InstructionSet::kPortable),
                    static_cast<int>(InstructionSet::kAvx2),
                    static_cast<int>(InstructionSet::kAvx512)},
                   {1, 16, 81},
                   {512, 4096}})
    ->ArgsProduct({{static_cast<int>(InstructionSet::kAvx2),
                    static_cast<int>(InstructionSet::kAvx512)},
                   {1},
                   {8192, 32768}})
    ->UseRealTime();

std::vector<float> Logits(std::size_t vocab) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(vocab);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

// Finds the candidates of one row.
void BM_TopK(benchmark::State& state) {
  const std::vector<float> logits = Logits(static_cast<std::size_t>(state.range(0)));
  std::vector<TokenId> ids(8);
  for (auto _ : state) {
    TopK(logits, ids);
    benchmark::DoNotOptimize(ids.data());
  }
}
BENCHMARK(BM_TopK)->ArgName("vocab")->Arg(4096)->Arg(131072);

// Chooses one token: greedily (sampled = 0), or at temperature 0.6 with top_p 0.95 (sampled = 1).
void BM_ChooseToken(benchmark::State& state) {
  const auto vocab = static_cast<std::size_t>(state.range(1));
  const std::vector<float> logits = Logits(vocab);
  SamplingOptions options;
  if (state.range(0) == 1) {
    options.temperature = 0.6F;
    options.top_p = 0.95F;
    options.seed = 1;
  }
  const auto rules = *SamplingRules::Create(options, {}, static_cast<std::uint32_t>(vocab));
  SamplerScratch scratch;
  std::uint64_t position = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ChooseToken(logits, {}, rules, position++, scratch));
  }
}
BENCHMARK(BM_ChooseToken)->ArgNames({"sampled", "vocab"})->ArgsProduct({{0, 1}, {4096, 131072}});

}  // namespace
}  // namespace recycling::verifier
