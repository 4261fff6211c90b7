// Measures the time of a step inside the drafter. A step builds the built-in template's tree of 80
// nodes from a full matrix, and learns its 81 rows with an accepted path of three nodes. Roots and
// rows vary, so that the reads are spread over the matrix as in production. BM_BuildAdaptiveTree
// chooses the tree by cost. A node costs so little there that a large tree is worth its time.
// BM_ProposeAndLearn is a whole step with all sources and a tree of 16 nodes. The last two
// benchmarks encode and parse a snapshot.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <chrono>
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

// The rows of a tree as a model would compute them: each token always has the same candidates, and
// the model often chooses one of the first two.
class RandomModel {
 public:
  RandomModel(std::uint32_t vocab_size, std::mt19937& random) : random_(random) {
    for (TokenId token = 0; token < vocab_size; ++token) {
      rows_.push_back(DistinctIds(vocab_size, random));
    }
  }

  // Verifies `tree`. Sets `next` to the token after the accepted path.
  Observation Verify(const DraftTree& tree, TokenId* next) {
    Observation observation{.tokens = tree.tokens, .accepted_path = {0}, .parents = tree.parents};
    observation.candidates.k = kK;
    for (const TokenId token : tree.tokens) {
      const std::vector<TokenId>& row = rows_[token];
      observation.candidates.ids.insert(observation.candidates.ids.end(), row.begin(), row.end());
    }
    int node = 0;
    while (node >= 0) {
      *next = rows_[tree.tokens[static_cast<std::size_t>(node)]][Rank()];
      node = ChildWith(tree, node, *next);
      if (node >= 0) observation.accepted_path.push_back(static_cast<std::uint32_t>(node));
    }
    return observation;
  }

 private:
  std::size_t Rank() {
    const std::size_t rank = static_cast<std::size_t>(std::countl_zero(random_() | 1U));
    return std::min<std::size_t>(rank, kK - 1);
  }
  static int ChildWith(const DraftTree& tree, int node, TokenId token) {
    for (int i = node + 1; i < tree.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (tree.parents[at] == node && tree.tokens[at] == token) return i;
    }
    return -1;
  }

  std::mt19937& random_;
  std::vector<std::vector<TokenId>> rows_;
};

// A step of one sequence: learns the last tree and proposes the next one.
// The time of the model is not counted.
void BM_ProposeAndLearn(benchmark::State& state) {
  std::mt19937 random(1);
  const auto vocab_size = static_cast<std::uint32_t>(state.range(0));
  RandomModel model(vocab_size, random);
  ScopeMemory memory(vocab_size, kK);
  SequenceDrafter drafter = NewDrafter(memory);
  const auto costs = StepCosts::Create({{0, 50'000}, {16, 50'100}});
  DraftTree tree = DraftTree::Root(1, 0);
  TokenId next = 0;
  std::uint64_t base = 1;
  std::uint64_t step = 0;
  double nodes = 0;
  constexpr int kWarmUp = 2000;  // steps, so that the sources know something
  for (int warm = 0; warm < kWarmUp || state.KeepRunning(); ++warm) {
    const Observation observation = model.Verify(tree, &next);
    base += observation.accepted_path.size();
    const auto start = std::chrono::steady_clock::now();
    drafter.Learn({.step = step++,
                   .observation = &observation,
                   .next = NextRoot{.base = base, .root = next}});
    tree = drafter.Propose(*costs, 16, 16, 0);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (warm < kWarmUp) continue;
    nodes += tree.drafted();
    state.SetIterationTime(took.count());
  }
  state.counters["nodes"] = benchmark::Counter(nodes, benchmark::Counter::kAvgIterations);
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
BENCHMARK(BM_ProposeAndLearn)
    ->Arg(32'000)
    ->Arg(150'000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Learn)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_Step)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_EncodeSnapshot)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_ParseAndRestoreSnapshot)->Arg(32'000)->Arg(150'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace recycling::drafter
