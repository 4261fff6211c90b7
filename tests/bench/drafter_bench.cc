// Measures the time of a step inside the drafter. A step builds the built-in template's tree of 80
// nodes from a full matrix, and learns its 81 rows with an accepted path of three nodes. Roots and
// rows vary, so that the reads are spread over the matrix as in production. BM_BuildAdaptiveTree
// chooses the tree by cost. A node costs so little there that a large tree is worth its time. The
// last two benchmarks encode and parse a snapshot.
#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "drafter/sources/draft_sources.h"
#include "drafter/sources/observation.h"
#include "drafter/store/scope_memory.h"
#include "drafter/store/snapshot.h"
#include "drafter/tree/mixing_estimator.h"
#include "drafter/tree/sequence_drafter.h"
#include "drafter/tree/tree_builder.h"

namespace recycling::drafter {
namespace {

constexpr std::uint32_t kK = 8;
constexpr std::size_t kSteps = 1024;  // different steps to cycle through

std::vector<TokenId> DistinctIds(std::uint32_t vocab_size, std::mt19937& random) {
  // Steps of 997 give ids that are distinct and spread over the vocabulary.
  const std::uint32_t first = static_cast<std::uint32_t>(random());
  std::vector<TokenId> ids(kK);
  for (std::uint32_t i = 0; i < kK; ++i) ids[i] = (first % vocab_size + i * 997) % vocab_size;
  return ids;
}

std::unique_ptr<ScopeMemory> FullMemory(std::uint32_t vocab_size, std::mt19937& random) {
  auto memory = std::make_unique<ScopeMemory>(vocab_size, kK);
  for (TokenId token = 0; token < vocab_size; ++token) {
    memory->matrix.WriteRow(token, DistinctIds(vocab_size, random));
  }
  return memory;
}

std::vector<Observation> Observations(const AdjacencyMatrix& matrix, std::mt19937& random) {
  std::vector<Observation> observations(kSteps);
  for (Observation& observation : observations) {
    const TokenId root = static_cast<TokenId>(random()) % matrix.vocab_size();
    observation.tokens = BuildTree(matrix, root, TreeTemplate::Paper80(), 80, 6).tokens;
    observation.candidates.k = kK;
    for (std::size_t row = 0; row < observation.tokens.size(); ++row) {
      for (const TokenId id : DistinctIds(matrix.vocab_size(), random)) {
        observation.candidates.ids.push_back(id);
      }
    }
    observation.accepted_path = {0, 1, 9};
  }
  return observations;
}

void BM_BuildTree(benchmark::State& state) {
  std::mt19937 random(1);
  const auto memory = FullMemory(static_cast<std::uint32_t>(state.range(0)), random);
  AdjacencyMatrix& matrix = memory->matrix;
  for (auto unused : state) {
    const TokenId root = static_cast<TokenId>(random()) % matrix.vocab_size();
    benchmark::DoNotOptimize(BuildTree(matrix, root, TreeTemplate::Paper80(), 80, 6));
  }
}

SequenceDrafter NewDrafter(ScopeMemory& memory) {
  CandidateSources sources = MakeSources(&memory.matrix, &memory.pairs);
  auto estimator = std::make_unique<MixingEstimator>(sources, &memory.mixing);
  return SequenceDrafter(std::move(sources), std::move(estimator), {});
}

// Estimates the acceptance of nodes and builds a tree.
void BM_BuildAdaptiveTree(benchmark::State& state) {
  std::mt19937 random(1);
  const auto memory = FullMemory(static_cast<std::uint32_t>(state.range(0)), random);
  const AdjacencyMatrix& matrix = memory->matrix;
  const auto costs = StepCosts::Create({{0, 50'000}, {15, 50'000}, {79, 51'000}, {80, 51'100}});
  SequenceDrafter drafter = NewDrafter(*memory);
  for (const Observation& observation : Observations(matrix, random)) {
    drafter.Learn({.prompt = &observation});
  }
  double nodes = 0;
  for (auto unused : state) {
    const TokenId root = static_cast<TokenId>(random()) % matrix.vocab_size();
    drafter.Learn({.next = NextRoot{.base = 1, .root = root}});
    nodes += drafter.Propose(*costs, 80, 32, 0).drafted();
  }
  state.counters["nodes"] = benchmark::Counter(nodes, benchmark::Counter::kAvgIterations);
}

// A SequenceDrafter learns a step: the estimator counts, and all candidate sources learn. The
// matrix learns as in BM_Learn.
void BM_LearnStep(benchmark::State& state) {
  std::mt19937 random(1);
  const auto memory = FullMemory(static_cast<std::uint32_t>(state.range(0)), random);
  const std::vector<Observation> observations = Observations(memory->matrix, random);
  SequenceDrafter drafter = NewDrafter(*memory);
  std::size_t step = 0;
  for (auto unused : state) {
    drafter.Learn(
        {.observation = &observations[step++ % kSteps], .next = NextRoot{.base = 1, .root = 1}});
  }
}

void BM_Learn(benchmark::State& state) {
  std::mt19937 random(1);
  const auto memory = FullMemory(static_cast<std::uint32_t>(state.range(0)), random);
  AdjacencyMatrix& matrix = memory->matrix;
  const std::vector<Observation> observations = Observations(matrix, random);
  std::size_t step = 0;
  for (auto unused : state) Learn(observations[step++ % kSteps], &matrix);
}

// The work of the service in a step: check, learn, build.
void BM_Step(benchmark::State& state) {
  std::mt19937 random(1);
  const auto memory = FullMemory(static_cast<std::uint32_t>(state.range(0)), random);
  AdjacencyMatrix& matrix = memory->matrix;
  const std::vector<Observation> observations = Observations(matrix, random);
  std::size_t step = 0;
  for (auto unused : state) {
    const Observation& observation = observations[step++ % kSteps];
    const absl::Status status = ValidateObservation(observation, matrix.vocab_size(), kK);
    if (!status.ok()) state.SkipWithError("invalid observation");
    Learn(observation, &matrix);
    benchmark::DoNotOptimize(
        BuildTree(matrix, observation.candidates.ids[0], TreeTemplate::Paper80(), 80, 6));
  }
}

const ModelIdentity kModel = {.model_id = "m", .tokenizer_digest = std::string(32, 'd')};

void BM_EncodeSnapshot(benchmark::State& state) {
  std::mt19937 random(1);
  const auto memory = FullMemory(static_cast<std::uint32_t>(state.range(0)), random);
  for (auto unused : state) benchmark::DoNotOptimize(EncodeSnapshot(kModel, *memory));
}

void BM_ParseAndRestoreSnapshot(benchmark::State& state) {
  std::mt19937 random(1);
  const auto memory = FullMemory(static_cast<std::uint32_t>(state.range(0)), random);
  const std::string bytes = EncodeSnapshot(kModel, *memory);
  for (auto unused : state) {
    const auto snapshot = Snapshot::Parse(bytes);
    if (!snapshot.ok()) state.SkipWithError("not a snapshot");
    ScopeMemory restored(memory->matrix.vocab_size(), kK);
    if (snapshot.ok()) snapshot->Restore(&restored);
    benchmark::DoNotOptimize(restored.matrix.rows_filled());
  }
}

BENCHMARK(BM_BuildTree)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_BuildAdaptiveTree)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_LearnStep)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Learn)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Step)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_EncodeSnapshot)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ParseAndRestoreSnapshot)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace recycling::drafter
