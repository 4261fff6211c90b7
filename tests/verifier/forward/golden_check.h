// Compares a model file's logits and greedy ids with goldens.
#ifndef RECYCLING_TESTS_VERIFIER_FORWARD_GOLDEN_CHECK_H_
#define RECYCLING_TESTS_VERIFIER_FORWARD_GOLDEN_CHECK_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "tests/verifier/forward/golden_files.h"
#include "verifier/forward/transformer.h"

namespace recycling::verifier {

// The largest allowed difference of a logit, divided by the golden's largest logit. It is larger
// for the fast arithmetic, which rounds activations to 8 bits.
inline float Tolerance(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::kExact ? 1e-4F : 6e-2F;
}

// The kernels and the arithmetic that compute a model.
struct Computation {
  InstructionSet set = BestInstructionSet();
  Arithmetic arithmetic = Arithmetic::kFast;
  const MatMulKernel* kernel = nullptr;  // null: that of set and arithmetic

  std::vector<const MatMulKernel*> Kernels() const {
    return kernel == nullptr ? std::vector<const MatMulKernel*>() : std::vector{kernel};
  }
  std::string Name() const {
    return absl::StrCat(std::string(kernel != nullptr ? kernel->name() : verifier::Name(set)), ", ",
                        arithmetic == Arithmetic::kExact ? "exact" : "fast");
  }
};

// One sequence of one model.
class Runner {
 public:
  Runner(const std::shared_ptr<const Model>& model, const Computation& computation)
      : transformer_(*Transformer::Create(model, {.threads = 2,
                                                  .instruction_set = computation.set,
                                                  .arithmetic = computation.arithmetic,
                                                  .matmul_kernels = computation.Kernels()})),
        cache_(*KvCache::Create(model->config(), KvType::kF32, transformer_->context_length(), 1)),
        kv_(*cache_->Open()) {}

  // Appends `ids` as one chunk and computes the logits of every row.
  void Append(const std::vector<TokenId>& ids) {
    std::vector<std::int32_t> parents(ids.size());
    std::iota(parents.begin(), parents.end(), -1);
    std::vector<int> rows(ids.size());
    std::iota(rows.begin(), rows.end(), 0);
    const Segment segment = {
        .kv = kv_.get(), .tokens = ids, .parents = parents, .logit_rows = rows};
    ASSERT_TRUE(transformer_->Forward({&segment, 1}, nullptr).ok());
    ASSERT_TRUE(transformer_->Commit(0, rows).ok());
  }
  std::span<const float> logits(int row) const { return transformer_->logits(row); }

 private:
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<KvSequence> kv_;
};

inline float LargestDifference(const Runner& runner, const Golden& golden, std::size_t vocab) {
  float largest = 0;
  for (std::size_t i = 0; i < golden.logits.size(); ++i) {
    const float got = runner.logits(static_cast<int>(i / vocab))[i % vocab];
    const float difference = std::fabs(got - golden.logits[i]);
    if (!(difference <= largest)) largest = difference;  // also if it is NaN
  }
  return largest;
}

inline std::vector<TokenId> Greedy(Runner& runner, int last_row, std::size_t count) {
  std::vector<TokenId> ids;
  while (ids.size() < count) {
    const auto logits = runner.logits(last_row);
    ids.push_back(
        static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    runner.Append({ids.back()});
    last_row = 0;
  }
  return ids;
}

struct Checked {
  int logits = 0;
  int greedy = 0;
  float worst = 0;  // largest difference of a logit, divided by the golden's largest logit
};

// Compares the model file at `path` with `goldens` and returns the numbers of comparisons. If
// computation.kernel is set, it compares no greedy ids, because that kernel may be slow.
inline Checked CheckGoldens(const std::vector<Golden>& goldens, const std::filesystem::path& path,
                            const Computation& computation) {
  const float tolerance = Tolerance(computation.arithmetic);
  const auto model = Model::Load(path.string());
  EXPECT_TRUE(model.ok()) << model.status();
  Checked checked;
  if (!model.ok()) return checked;
  const std::size_t vocab = (*model)->config().vocab_size;
  for (const Golden& golden : goldens) {
    SCOPED_TRACE(golden.name);
    EXPECT_EQ(golden.logits.size(), golden.ids.size() * vocab);
    if (golden.logits.size() != golden.ids.size() * vocab) continue;
    Runner runner(*model, computation);
    runner.Append(golden.ids);
    const float scale = std::accumulate(
        golden.logits.begin(), golden.logits.end(), 0.0F,
        [](float largest, float logit) { return std::max(largest, std::fabs(logit)); });
    const float difference = LargestDifference(runner, golden, vocab) / scale;
    EXPECT_LE(difference, tolerance);
    if (!(difference <= checked.worst)) checked.worst = difference;  // also if it is NaN
    ++checked.logits;
    // Each of the two largest logits may differ by the tolerance. So they may change places if
    // their gap is at most twice the tolerance.
    if (computation.kernel != nullptr || golden.margin <= 2 * tolerance * scale) continue;
    EXPECT_EQ(Greedy(runner, static_cast<int>(golden.ids.size()) - 1, golden.greedy.size()),
              golden.greedy);
    ++checked.greedy;
  }
  return checked;
}

// The project's root.
inline std::filesystem::path SourceDir() {
  const char* source = std::getenv("RECYCLING_SOURCE_DIR");
  return source != nullptr ? source : ".";
}

}  // namespace recycling::verifier

#endif  // RECYCLING_TESTS_VERIFIER_FORWARD_GOLDEN_CHECK_H_
