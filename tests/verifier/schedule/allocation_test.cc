// Counts the heap allocations of a step after the first steps have allocated all buffers. This test
// is a separate program, because it replaces operator new.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "tests/doubles/tiny_model.h"
#include "verifier/forward/transformer.h"
#include "verifier/schedule/pass_runner.h"

namespace {

std::atomic<long> allocations{0};

void* Allocate(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return Allocate(size); }
void* operator new[](std::size_t size) { return Allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace recycling::verifier {
namespace {

class AllocationTest : public testing::Test {
 protected:
  void SetUp() override {
    bytes_ = doubles::TinyModelBytes({.heads_per_group = 3});
    auto file = GgufFile::Parse(std::as_bytes(std::span<const char>(bytes_)));
    ASSERT_TRUE(file.ok()) << file.status();
    model_ = *Model::FromFile(*std::move(file), "tiny");
    transformer_ = *Transformer::Create(model_, {.threads = 2, .kv_type = KvType::kF16});
    cache_ = *KvCache::Create(model_->config(), KvType::kF16, transformer_->context_length(), 1);
  }

  std::string bytes_;
  std::shared_ptr<const Model> model_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<KvCache> cache_;
};

TEST_F(AllocationTest, CountsAllocations) {
  const long before = allocations;
  const auto something = std::make_unique<int>(1);
  EXPECT_EQ(allocations - before, 1);
}

TEST_F(AllocationTest, ForwardAndCommitAllocateNothing) {
  const auto kv = *cache_->Open();
  const std::vector<TokenId> tokens = {1, 2, 3, 4, 5};
  const std::vector<std::int32_t> parents = {-1, 0, 0, 1, 1};
  const std::vector<int> rows = {0, 1, 2, 3, 4};
  const std::vector<int> path = {0, 1};
  const Segment segment = {
      .kv = kv.get(), .tokens = tokens, .parents = parents, .logit_rows = rows};
  long most = 0;
  for (int step = 0; step < 100; ++step) {  // 200 positions: four pages
    const long before = allocations;
    ASSERT_TRUE(transformer_->Forward({&segment, 1}, nullptr).ok());
    ASSERT_TRUE(transformer_->Commit(0, path).ok());
    if (step > 0) most = std::max(most, allocations - before);
  }
  EXPECT_EQ(most, 0);
}

// A step allocates only the vectors of its answer (tokens, accepted nodes, candidates), a root for
// the comparison with the tree, and the memory of the tree check. The number of allocations does
// not depend on the number of rows.
TEST_F(AllocationTest, AStepAllocatesItsAnswerOnly) {
  constexpr long kAnswer = 14;
  const SchedulerOptions options = {.vocab_size = model_->config().vocab_size, .k = 8};

  PassRunner runner(*transformer_, options);
  SequenceState state;
  SamplingOptions sampling;
  sampling.temperature = 0.7F;
  sampling.top_p = 0.95F;
  sampling.seed = 5;
  state.rules = *SamplingRules::Create(sampling, {}, options.vocab_size);
  state.want_candidates = true;
  state.tokens.reserve(100);
  state.tokens = {1};
  state.kv = *cache_->Open();
  long most = 0;
  for (int i = 0; i < 40; ++i) {
    VerifyStep step = {.base = state.base(),
                       .tree = DraftTree::Root(state.base(), state.tokens.back())};
    for (int node = 0; node < 20 + i % 3 * 60; ++node) {
      step.tree->tokens.push_back(static_cast<TokenId>(node + 2));
      step.tree->parents.push_back(0);
    }
    const long before = allocations;
    const auto checked = CheckStep(state, std::move(step), options, transformer_->context_length());
    ASSERT_TRUE(checked.ok()) << checked.status();
    const PassPart part = {.state = &state, .tree = &checked->tree};
    ASSERT_TRUE(runner.Forward({&part, 1}, nullptr).ok());
    const auto result = runner.FinishStep(0);
    ASSERT_TRUE(result.ok()) << result.status();
    // The first three steps had all tree sizes.
    if (i > 2) most = std::max(most, allocations - before);
  }
  EXPECT_LE(most, kAnswer);
}

}  // namespace
}  // namespace recycling::verifier
