// Kernels of the verifier and what holds them together. Two threads where threads matter.
#include <benchmark/benchmark.h>

#include <cstddef>

#include "verifier/kernels/thread_pool.h"

namespace recycling::verifier {
namespace {

// From the start of a loop of two empty tasks to its end: what every barrier of a pass costs.
void BM_Barrier(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    pool.Run(static_cast<std::size_t>(state.range(0)),
             [](std::size_t task, std::size_t) { benchmark::DoNotOptimize(task); });
  }
}
BENCHMARK(BM_Barrier)->ArgName("threads")->Arg(1)->Arg(2)->Arg(4)->UseRealTime();

// The same with some work in each task, about 2 us: the other thread is needed.
void BM_BarrierWithWork(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    pool.Run(static_cast<std::size_t>(state.range(0)), [](std::size_t task, std::size_t) {
      float x = static_cast<float>(task);
      for (int i = 0; i < 1000; ++i) benchmark::DoNotOptimize(x = x * 0.5F + 1.0F);
    });
  }
}
BENCHMARK(BM_BarrierWithWork)->ArgName("threads")->Arg(1)->Arg(2)->Arg(4)->UseRealTime();

// The same after the caller has done something alone for a while, as between the passes' parallel
// parts: whoever sleeps by then must be woken. Subtract the gap.
void BM_BarrierAfterGap(benchmark::State& state) {
  ThreadPool pool(2);
  for (auto _ : state) {
    for (int i = 0; i < state.range(0); ++i) benchmark::DoNotOptimize(i);
    pool.Run(2, [](std::size_t task, std::size_t) {
      float x = static_cast<float>(task);
      for (int i = 0; i < 1000; ++i) benchmark::DoNotOptimize(x = x * 0.5F + 1.0F);
    });
  }
}
BENCHMARK(BM_BarrierAfterGap)->ArgName("loops")->Arg(100)->Arg(10000)->Arg(30000)->UseRealTime();

}  // namespace
}  // namespace recycling::verifier
